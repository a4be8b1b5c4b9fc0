package engine

import (
	"context"
	"errors"

	"posthorn/engine/core"
	"posthorn/engine/filter"
	"posthorn/ports"
)

// What a replay finds that matches messages against today's webhooks.

func (s *replayScan) readWebhooks() error {
	from, to := core.WebhookRange(s.replay.Company)
	for pair, err := range s.r.Scan(from, to, false) {
		if err != nil {
			return err
		}
		w, _, ok, err := core.ParseWebhook(pair)
		if err != nil {
			return err
		}
		if ok && (s.replay.Query.Webhook == "" || s.replay.Query.Webhook == w.ID) {
			s.webhooks = append(s.webhooks, w)
		}
	}
	return nil
}

// isFirst tells whether a call is the first of its message in the range.
func (s *replayScan) isFirst(c Call) (bool, error) {
	for other, err := range s.callsOf(c.Message) {
		if err != nil {
			return false, err
		}
		if s.query.matches(other.Call) {
			return other.ID == c.ID, nil
		}
	}
	return false, nil
}

func (s *replayScan) scanUnmatched(ctx context.Context) (full bool, err error) {
	from, _ := core.UnmatchedRange(s.replay.Company)
	if !s.query.Since.IsZero() {
		from = core.UnmatchedKey(s.replay.Company, core.PrefixMessage+firstID(s.query.Since))
	}
	to := core.UnmatchedKey(s.replay.Company, core.PrefixMessage+s.bound)
	if s.To.Webhook != "" {
		if err := s.goOn(); err != nil || s.To.Webhook != "" {
			return true, err
		}
	}
	if from = s.from(from, core.UnmatchedKey); string(from) >= string(to) {
		return false, nil
	}
	for pair, err := range s.r.Scan(from, to, false) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return false, err
		}
		if s.full() {
			return true, nil
		}
		s.looked++
		u, err := core.ParseUnmatched(pair)
		if err != nil {
			return false, err
		}
		s.To = core.ReplayCursor{Unmatched: true, After: u.Message}
		if !s.query.matches(Call{EventType: u.EventType, CreatedAt: u.CreatedAt}) {
			continue
		}
		if err := s.match(u.MessageRef); err != nil {
			return false, err
		}
		if s.To.Webhook != "" {
			return true, nil
		}
	}
	return false, nil
}

// goOn takes up a message in whose midst the step before has ended. Where that has made calls of it its row is gone, and they name it.
func (s *replayScan) goOn() error {
	k := core.UnmatchedKey(s.replay.Company, s.To.After)
	value, err := optional(s.r.Get(k))
	if err != nil {
		return err
	}
	if value != nil {
		u, err := core.ParseUnmatched(ports.Pair{Key: k, Value: value})
		if err != nil {
			return err
		}
		return s.match(u.MessageRef)
	}
	for c, err := range s.callsOf(s.To.After) {
		if err != nil {
			return err
		}
		return s.match(refOf(c.Call, c.hasData))
	}
	s.To.Webhook = ""
	return nil
}

// match takes one message: an item for each of today's webhooks, as far as there is room for calls.
func (s *replayScan) match(m core.MessageRef) error {
	had, err := s.newest(m.Message)
	if err != nil {
		return err
	}
	data, body, kept, err := s.payload(m)
	if err != nil {
		return err
	}
	if s.To.Webhook == "" {
		s.Found++
	}
	event := filter.NewEvent(filter.Message{EventType: m.EventType, Data: data, Resource: body})
	for _, w := range s.webhooks {
		if w.ID <= s.To.Webhook {
			continue
		}
		if s.sends >= s.most {
			return nil // the cursor says where to go on
		}
		item := core.ReplayItem{MessageRef: m, Webhook: w.ID, Call: had[w.ID].ID}
		item.Left = s.differs(m, w, had[w.ID], kept, event)
		s.add(item)
		s.To.Webhook = w.ID
	}
	s.To.Webhook = ""
	return nil
}

// differs says why a webhook does not get a message, empty if it does.
func (s *replayScan) differs(m core.MessageRef, w Webhook, had Call, kept bool, event *filter.Event) core.Reason {
	switch {
	case !w.Wants(m.EventType):
		return core.NotAskedFor
	case had.State == core.Succeeded:
		return core.AlreadyDelivered
	case had.State.Open(), had.Replay != "" && had.Replay == s.replay.ID:
		return core.StillOpen
	case !w.Enabled:
		return core.WebhookIsOff
	case !kept:
		return core.PayloadIsGone
	case w.Filter == "":
		return ""
	}
	switch s.verdict(w.Filter, event) {
	case core.Matches:
		return ""
	case core.Broken:
		return core.FilterFailed
	case core.Differs, core.Unjudged:
	}
	return core.FilterDiffers
}
