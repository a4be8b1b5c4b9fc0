package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"posthorn/engine/core"
	"posthorn/engine/filter"
	"posthorn/ports"
)

// maxReplayLooked bounds the rows that one step looks at, and the items that it holds but for those of its last message.
const maxReplayLooked = 4096

// A replayPlan finds what a replay sends next. It reads the rows in the order of ids, and holds one step of them: nothing grows with the
// range. What it finds is decided on again when it is sent.
//
// The calls of a message lie together, right behind its id, for one decision made them all; those that came later have a row under the
// message. So it is known without a table of messages whether a call is the first of its message in the range, and who has the message.
type replayPlan struct {
	store   ports.Store
	verdict func(text string, event *filter.Event) core.Verdict
}

// A replayScan is one step being put together.
type replayScan struct {
	replayPlan
	core.ReplayStep

	r        ports.Reader
	replay   Replay
	query    CallQuery
	bound    string // ids of what the replay covers are smaller, without their prefixes
	most     int    // calls
	sends    int
	looked   int
	webhooks []Webhook // today's, for ReplayMatch; oldest first
}

// next returns a replay's next step, of at most so many calls.
func (p replayPlan) next(ctx context.Context, replay Replay, most int) (core.ReplayStep, error) {
	q := replay.Query
	s := replayScan{replayPlan: p, replay: replay, most: most, bound: strings.TrimPrefix(replay.ID, core.PrefixReplay)}
	if replay.ID == "" {
		s.bound = firstID(replay.CreatedAt.Add(time.Millisecond))
	}
	s.query = CallQuery{
		Company: replay.Company, Webhook: q.Webhook, EventType: q.EventType, State: q.State, Since: q.Since.Time(), Until: q.Until.Time(),
	}
	if replay.Mode == core.ReplayMatch {
		s.query.Webhook = "" // it says whom to call, not whose calls
	}
	s.From, s.To = replay.Cursor, replay.Cursor
	err := p.store.View(ctx, func(r ports.Reader) error {
		s.r = r
		return s.scan(ctx)
	})
	return s.ReplayStep, err
}

func (s *replayScan) scan(ctx context.Context) error {
	if s.replay.Mode == core.ReplayMatch {
		if err := s.readWebhooks(); err != nil {
			return err
		}
	}
	if !s.To.Unmatched {
		full, err := s.scanCalls(ctx)
		if err != nil || full {
			return err
		}
		if s.replay.Mode == core.ReplaySame || s.query.State != "" {
			s.Last = true
			return nil
		}
		s.To = core.ReplayCursor{Unmatched: true}
	}
	full, err := s.scanUnmatched(ctx)
	s.Last = !full && err == nil
	return err
}

// full tells whether the step has all that it may.
func (s *replayScan) full() bool {
	return s.sends >= s.most || s.looked >= maxReplayLooked || len(s.Items) >= maxReplayLooked
}

func (s *replayScan) add(item core.ReplayItem) {
	s.Items = append(s.Items, item)
	if item.Left == "" {
		s.sends++
	}
}

// from is the key to go on at: behind the cursor's own, or at it in the midst of a message.
func (s *replayScan) from(first []byte, k func(company, id string) []byte) []byte {
	if s.To.After == "" {
		return first
	}
	at := k(s.replay.Company, s.To.After)
	if s.To.Webhook == "" {
		at = append(at, 0)
	}
	return at
}

func (s *replayScan) scanCalls(ctx context.Context) (full bool, err error) {
	scan, err := s.query.scan()
	if err != nil {
		return false, err
	}
	if k := core.CallKey(s.replay.Company, core.PrefixCall+s.bound); string(k) < string(scan.to) {
		scan.to = k
	}
	from := s.from(scan.from, core.CallKey)
	if string(from) >= string(scan.to) {
		return false, nil
	}
	for pair, err := range s.r.Scan(from, scan.to, false) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return false, err
		}
		if s.full() {
			return true, nil
		}
		s.looked++
		c, hasData, _, err := core.ParseCall(pair)
		if err != nil {
			return false, err
		}
		if err := s.call(c, hasData); err != nil {
			return false, err
		}
		if s.To.Webhook != "" {
			return true, nil // in the midst of a message
		}
	}
	return false, nil
}

// call takes one call of the range.
func (s *replayScan) call(c Call, hasData bool) error {
	midst := s.To.Webhook
	if c.ID != s.To.After {
		midst = "" // the call that the cursor stood at has been pruned
	}
	s.To = core.ReplayCursor{After: c.ID, Webhook: midst}
	switch {
	case midst == "" && !s.query.matches(c):
		return nil
	case s.replay.Mode == core.ReplaySame:
		s.Found++
		left, err := s.leaves(c, hasData)
		s.add(core.ReplayItem{Call: c.ID, Webhook: c.Webhook, Left: left})
		return err
	case c.EventType == core.TypeTest:
		return nil // it was for one webhook
	}
	if first, err := s.isFirst(c); err != nil || !first && midst == "" {
		return err
	}
	return s.match(refOf(c, hasData))
}

func refOf(c Call, hasData bool) core.MessageRef {
	return core.MessageRef{Message: c.Message, Company: c.Company, EventType: c.EventType, Resource: c.Resource, HasData: hasData}
}

// leaves says why a call is not made again, empty if it is. What has changed since the range was written is for the decision to see.
func (s *replayScan) leaves(c Call, hasData bool) (core.Reason, error) {
	if c.State.Open() {
		return core.StillOpen, nil
	}
	for newer, err := range laterCallsOfMessage(s.r, s.replay.Company, c.Message) {
		switch {
		case err != nil:
			return "", err
		case newer.ID <= c.ID || newer.Webhook != c.Webhook:
		case newer.State.Open():
			return core.StillOpen, nil
		case newer.ID < core.PrefixCall+s.bound && s.query.matches(newer.Call):
			return core.NewerCallInRange, nil
		case newer.State == core.Succeeded && s.query.State != "" && s.query.State != core.Succeeded:
			return core.AlreadyDelivered, nil
		}
	}
	_, _, kept, err := s.payload(core.MessageRef{Message: c.Message, Resource: c.Resource, HasData: hasData})
	if err != nil || kept {
		return "", err
	}
	return core.PayloadIsGone, nil
}
