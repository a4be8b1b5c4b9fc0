package core

import (
	"errors"
	"time"

	"posthorn/ports"
)

// RetryCall makes a new call of an ended one, with the same message and so the same message id. The webhook must be enabled, for
// otherwise the new call would be skipped at once.
func RetryCall(s *State, in Inputs, now time.Time, company, id string) (Decision, Call, error) {
	old, err := s.call(company, id)
	if err != nil {
		return Decision{}, Call{}, err
	}
	if old.State.Open() {
		return Decision{}, Call{}, conflict("call %s is still open and will be attempted; wait for its end, or cancel it first", Show(id))
	}
	if gone, err := s.erased(old.Call); err != nil || gone {
		return Decision{}, Call{}, errors.Join(err, conflict("what call %s told was erased; there is nothing to send", Show(id)))
	}
	w, err := s.webhook(company, old.Webhook)
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		return Decision{}, Call{}, err
	}
	if err != nil {
		return Decision{}, Call{}, conflict("webhook %s of call %s has been deleted; register it anew", old.Webhook, Show(id))
	}
	if !w.Enabled {
		return Decision{}, Call{}, conflict("webhook %s of call %s is disabled (%s); enable it first", w.ID, Show(id), w.DisabledReason)
	}
	m := old.message()
	e := requested(in, now, now, m, w.Webhook)
	e.RetryOf = id
	e.testing(old.Once)
	d := Decision{Events: []Event{e}}
	call := e.begun(now)
	if m.Resource != nil && m.Resource.Version == 0 {
		d.tell(CallFailed{CallEnded{Call: e.Call, Company: company, Reason: ResourceMissing}})
		call.State, call.Reason, call.NextAt, call.EndedAt = Failed, ResourceMissing, nil, &now
	}
	return d, call, nil
}

// testing makes a call that is tried once, and is no part of what is told in order.
func (e *CallRequested) testing(test bool) { e.Once, e.Ordered = test, e.Ordered && !test }

// begun is the call as its request leaves it.
func (e CallRequested) begun(now time.Time) Call {
	return Call{
		ID: e.Call, Company: e.Company, Webhook: e.Webhook, Message: e.Message, EventType: e.EventType, Resource: e.Resource, URL: e.URL,
		State: Pending, NextAt: &now, CreatedAt: e.CreatedAt.Time(), UpdatedAt: now, RetryOf: e.RetryOf, ExpiresAt: e.ExpiresAt.Pointer(),
	}
}

// CancelCall ends an open call by hand. An attempt under way is not stopped; if it succeeds the call has succeeded.
func CancelCall(s *State, now time.Time, company, id string) (Decision, Call, error) {
	row, err := s.call(company, id)
	if err != nil {
		return Decision{}, Call{}, err
	}
	if !row.State.Open() {
		return Decision{}, Call{}, conflict("call %s has ended as %s already; there is nothing to cancel", Show(id), row.State)
	}
	call := row.Call
	call.State, call.Reason, call.NextAt, call.EndedAt, call.UpdatedAt = Cancelled, CancelledByHand, nil, &now, now
	return Decision{Events: []Event{CallCancelled{CallEnded{Call: id, Company: company, Reason: CancelledByHand}}}}, call, nil
}

// FailCall ends an open call for a reason that is found before an attempt, such as a body that cannot be made.
func FailCall(s *State, company, id string, reason Reason) (Decision, error) {
	row, err := s.call(company, id)
	if err != nil || !row.State.Open() {
		return Decision{}, err
	}
	switch gone, err := s.erased(row.Call); {
	case err != nil:
		return Decision{}, err
	case gone:
		return Decision{Events: []Event{CallCancelled{CallEnded{Call: id, Company: company, Reason: ErasedPayload}}}}, nil
	}
	return Decision{Events: []Event{CallFailed{CallEnded{Call: id, Company: company, Reason: reason}}}}, nil
}

// ExpireCalls ends those of the named calls that are still open although their time is over.
func ExpireCalls(s *State, now time.Time, expired []Expiry) (Decision, error) {
	var d Decision
	for _, x := range expired {
		row, err := load[callRow](s, CallKey(x.Company, x.Call))
		if err != nil {
			return Decision{}, err
		}
		if row != nil && row.State.Open() && !x.At.After(now) {
			d.tell(CallFailed{CallEnded{Call: x.Call, Company: x.Company, Reason: TooOld}})
		}
	}
	return d, nil
}

// TypeTest is the event type of a test call.
const TypeTest = "webhook.test"

// TestWebhook makes one call of one attempt to a webhook, whatever event types it asked for. A webhook that is not called at the moment is
// a conflict, for the test would show nothing.
func TestWebhook(s *State, in Inputs, now time.Time, company, id string) (Decision, Call, error) {
	w, err := s.webhook(company, id)
	switch {
	case err != nil:
		return Decision{}, Call{}, err
	case !w.Enabled:
		return Decision{}, Call{}, conflict("webhook %s is disabled (%s) and not called; enable it first", id, w.DisabledReason)
	case w.Paused:
		return Decision{}, Call{}, conflict("webhook %s is paused and not called; resume it first", id)
	}
	m := MessageRef{Message: in.ID(PrefixMessage), Company: company, EventType: TypeTest, HasData: true}
	var d Decision
	data := object("webhook", id, "note", "a test call, made by hand")
	d.tell(MessagePublished{MessageRef: m, DataDigest: d.keep(in, DataKey(m.Message), data)})
	e := requested(in, now, now, m, w.Webhook)
	e.testing(true)
	d.tell(e)
	return d, e.begun(now), nil
}
