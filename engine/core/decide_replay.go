package core

import (
	"errors"
	"time"

	"posthorn/ports"
)

// StartReplay begins a replay. A company has one at a time, so that two do not send the same calls.
func StartReplay(s *State, in Inputs, now time.Time, n NewReplay) (Decision, Replay, error) {
	if err := n.Known(s); err != nil {
		return Decision{}, Replay{}, err
	}
	open, err := load[openReplayRow](s, OpenReplayKey(n.Company))
	if err != nil {
		return Decision{}, Replay{}, err
	}
	if open != nil {
		return Decision{}, Replay{}, conflict("replay %s of company %s has not ended; wait for its end, or cancel it", open.Replay, Show(n.Company))
	}
	e := ReplayStarted{Replay: in.ID(PrefixReplay), Company: n.Company, Query: n.Query, Mode: n.Mode, Rate: n.Rate}
	return Decision{Events: []Event{e}}, e.begun(now), nil
}

// Known refuses a webhook that there is not: nothing could be sent to it.
func (n NewReplay) Known(s *State) error {
	if n.Query.Webhook == "" {
		return nil
	}
	_, err := s.webhook(n.Company, n.Query.Webhook)
	return err
}

func (e ReplayStarted) begun(now time.Time) Replay {
	return Replay{
		ID: e.Replay, Company: e.Company, Query: e.Query, Mode: e.Mode, Rate: e.Rate, State: ReplayIsRunning, CreatedAt: now, UpdatedAt: now,
	}
}

// PauseReplay makes a replay wait. Pausing a paused one changes nothing.
func PauseReplay(s *State, now time.Time, company, id string) (Decision, Replay, error) {
	return s.switchReplay(now, company, id, ReplayIsPaused, ReplayPaused{Replay: id, Company: company})
}

// ResumeReplay lets it go on. Resuming a running one changes nothing.
func ResumeReplay(s *State, now time.Time, company, id string) (Decision, Replay, error) {
	return s.switchReplay(now, company, id, ReplayIsRunning, ReplayResumed{Replay: id, Company: company})
}

// CancelReplay ends a replay: it requests no more calls. Those that it has requested go on.
func CancelReplay(s *State, now time.Time, company, id string) (Decision, Replay, error) {
	row, err := s.openReplay(company, id)
	if err != nil {
		return Decision{}, Replay{}, err
	}
	out := row.Replay
	out.State, out.UpdatedAt, out.EndedAt = ReplayIsCancelled, now, &now
	return Decision{Events: []Event{ReplayEnded{Replay: id, Company: company, Reason: CancelledByHand, Counts: row.Counts}}}, out, nil
}

func (s *State) switchReplay(now time.Time, company, id string, to ReplayState, e Event) (Decision, Replay, error) {
	row, err := s.openReplay(company, id)
	if err != nil {
		return Decision{}, Replay{}, err
	}
	out := row.Replay
	if out.State == to {
		return Decision{}, out, nil
	}
	out.State, out.UpdatedAt = to, now
	return Decision{Events: []Event{e}}, out, nil
}

func (s *State) openReplay(company, id string) (*replayRow, error) {
	row, err := load[replayRow](s, ReplayKey(company, id))
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return nil, notFound("replay", id)
	case !row.State.Open():
		return nil, conflict("replay %s is %s already; start another", Show(id), row.State)
	}
	return row, nil
}

// A ReplayStep is what a replay found between two places of its cursor.
type ReplayStep struct {
	From, To ReplayCursor
	Found    int // as in ReplayCounts
	Items    []ReplayItem
	Last     bool // nothing lies behind To
}

// A ReplayItem is one call to make.
type ReplayItem struct {
	// Call is what is made again: with ReplayMatch the newest call of the message for the webhook, empty where there was none.
	Call string
	MessageRef
	Webhook string
	// Left says why the call is not made; empty to make it.
	Left Reason
}

// Sends counts the items that are not left.
func (step ReplayStep) Sends() (n int) {
	for _, item := range step.Items {
		if item.Left == "" {
			n++
		}
	}
	return n
}

// AdvanceReplay takes one step, unless the replay has been paused or ended meanwhile, or has taken it already.
func AdvanceReplay(s *State, in Inputs, now time.Time, company, id string, step ReplayStep) (Decision, error) {
	row, err := load[replayRow](s, ReplayKey(company, id))
	if err != nil || row == nil || row.State != ReplayIsRunning || row.Cursor != step.From {
		return Decision{}, err
	}
	d, err := step.Decide(s, in, now, company, id)
	if err != nil {
		return Decision{}, err
	}
	counts := step.Counts()
	d.tell(ReplayAdvanced{Replay: id, Company: company, Cursor: step.To, Counts: counts})
	if step.Last {
		d.tell(ReplayEnded{Replay: id, Company: company, Counts: row.Counts.Plus(counts)})
	}
	return d, nil
}

// Counts sums up the items, as Decide leaves them.
func (step ReplayStep) Counts() ReplayCounts {
	counts := ReplayCounts{Found: step.Found}
	for _, item := range step.Items {
		switch {
		case item.Left != "":
			counts.leave(item.Left, 1)
		case item.Call == "":
			counts.Newly++
			counts.Calls++
		default:
			counts.Calls++
		}
	}
	return counts
}

// Decide requests the calls of the step, and notes in Items why others are left. A preview decides by it too, and stores nothing.
func (step ReplayStep) Decide(s *State, in Inputs, now time.Time, company, replay string) (Decision, error) {
	var d Decision
	for i := range step.Items {
		item := &step.Items[i]
		if item.Left != "" {
			continue
		}
		e, left, err := item.request(s, in, now, company)
		if err != nil {
			return Decision{}, err
		}
		if item.Left = left; left == "" {
			e.Replay = replay
			d.tell(e)
		}
	}
	return d, nil
}

// request is the call of an item, or why there is none.
func (item ReplayItem) request(s *State, in Inputs, now time.Time, company string) (e CallRequested, left Reason, err error) {
	w, err := s.webhook(company, item.Webhook)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return e, WebhookIsDeleted, nil
	case err != nil:
		return e, "", err
	case !w.Enabled:
		return e, WebhookIsOff, nil
	}
	m, once := item.MessageRef, false
	if item.Call != "" {
		old, err := load[callRow](s, CallKey(company, item.Call))
		switch {
		case err != nil:
			return e, "", err
		case old == nil:
			return e, PayloadIsGone, nil // pruned meanwhile
		case old.State.Open():
			return e, StillOpen, nil
		}
		m, once = old.message(), old.Once
	} else if m.HasData {
		if there, err := s.has(DataKey(m.Message)); err != nil || !there {
			return e, PayloadIsGone, err // pruned meanwhile
		}
	}
	if gone, err := s.erased(Call{Company: company, Message: m.Message, Resource: m.Resource}); err != nil || gone {
		return e, PayloadIsGone, err
	}
	if m.Resource != nil && m.Resource.Version == 0 {
		return e, ResourceMissing, nil
	}
	e = requested(in, now, now, m, w.Webhook)
	e.RetryOf = item.Call
	e.testing(once)
	return e, "", nil
}
