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
	e := CallRequested{MessageRef: m, Call: in.ID(PrefixCall), Webhook: w.ID, URL: w.URL, CreatedAt: StampOf(now), RetryOf: id}
	d := Decision{Events: []Event{e}}
	call := Call{
		ID: e.Call, Company: company, Webhook: w.ID, Message: m.Message, EventType: m.EventType, Resource: m.Resource, URL: w.URL,
		State: Pending, NextAt: &now, CreatedAt: now, UpdatedAt: now, RetryOf: id,
	}
	if m.Resource != nil && m.Resource.Version == 0 {
		d.tell(CallFailed{CallEnded{Call: e.Call, Company: company, Reason: ResourceMissing}})
		call.State, call.Reason, call.NextAt, call.EndedAt = Failed, ResourceMissing, nil, &now
	}
	return d, call, nil
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
	return Decision{Events: []Event{CallFailed{CallEnded{Call: id, Company: company, Reason: reason}}}}, nil
}
