package core

import (
	"strings"
	"time"

	"posthorn/ports"
)

// An Outcome is what came of one attempt: a ports.Reply with the lease that it was made under. The tags are its form on the bus.
type Outcome struct {
	Company string `cbor:"1,keyasint"`
	Call    string `cbor:"2,keyasint"`
	Attempt int    `cbor:"3,keyasint"`
	// Lease counts how often this attempt was tasked in this epoch; Epoch counts the engine's starts.
	Lease      int         `cbor:"4,keyasint"`
	Epoch      uint64      `cbor:"5,keyasint"`
	StartedAt  time.Time   `cbor:"6,keyasint"`
	TookMS     int64       `cbor:"7,keyasint"`
	Class      ports.Class `cbor:"8,keyasint"`
	Error      string      `cbor:"9,keyasint"`
	Status     int         `cbor:"10,keyasint"`
	RetryAfter string      `cbor:"11,keyasint"`
	Response   []byte      `cbor:"12,keyasint"`
	Truncated  bool        `cbor:"13,keyasint"`
}

// Judge decides what an outcome means for its call. jitter is in [0, 1). A webhook that has been seen failing for disableAfter without a
// success is disabled; 0 disables none.
//
// Every outcome is recorded once by (call, attempt, lease, epoch), whatever the call's state. Only the first one for the current
// attempt of an open call schedules or ends it. An ended call never changes, but for one thing: a late 2xx makes it
// succeeded, for the receiver has taken it. An outcome for an unknown call is dropped: nothing here asked for it.
func Judge(s *State, in Inputs, now time.Time, o Outcome, jitter float64, disableAfter time.Duration) (Decision, error) {
	call, err := load[callRow](s, CallKey(o.Company, o.Call))
	if err != nil || call == nil {
		return Decision{}, err
	}
	// A call that was never begun has no attempt to report, and an attempt beyond the current one was never tasked.
	if call.tried(try{o.Attempt, o.Lease, o.Epoch}) || o.Attempt < 1 || o.Attempt > call.AttemptCount+1 {
		return Decision{}, nil
	}
	webhook, err := load[webhookRow](s, WebhookKey(call.Company, call.Webhook))
	if err != nil {
		return Decision{}, err
	}
	if !call.State.Open() && len(o.Response) > 0 {
		// Its job has passed: a response that comes after an erasure is not kept, for it may repeat what was sent.
		gone, err := s.erased(call.Call)
		if err != nil {
			return Decision{}, err
		}
		if gone {
			o.Response, o.Truncated = nil, false
		}
	}
	d := Decision{}
	attempted := d.attempted(in, o)
	end, next := verdict(call, webhook, o, now, jitter)
	attempted.NextAt = next
	attempted.Failing, attempted.Recovered = webhook.health(o.Class, now)
	d.tell(attempted)
	if end != nil {
		d.tell(end)
	}
	if reason := disables(webhook, o, end, now, disableAfter); reason != "" {
		d.tell(WebhookDisabled{Webhook: webhook.ID, Company: webhook.Company, Reason: reason})
	}
	return d, nil
}

// disables tells why an outcome disables its webhook, if it does.
func disables(w *webhookRow, o Outcome, end Event, now time.Time, after time.Duration) string {
	switch {
	case w == nil || w.Deleted || !w.Enabled:
		return ""
	case o.Status == statusGone && end != nil:
		return DisabledByGone
	case after > 0 && o.Class != ports.ClassOK && Charged(o.Class) && w.Failing.seenBy(now) >= after:
		return disabledByFailing(after)
	}
	return ""
}

// verdict is the table state x outcome: the event that ends the call, or when to try again, or neither.
func verdict(call *callRow, w *webhookRow, o Outcome, now time.Time, jitter float64) (end Event, next Stamp) {
	ended := CallEnded{Call: call.ID, Company: call.Company}
	if o.Class == ports.ClassOK {
		if call.State == Succeeded {
			return nil, 0
		}
		return CallSucceeded{ended}, 0
	}
	if !call.State.Open() || o.Attempt <= call.AttemptCount {
		return nil, 0
	}
	switch {
	case w == nil || w.Deleted:
		ended.Reason = WebhookIsDeleted
		return CallCancelled{ended}, 0
	case !w.Enabled:
		ended.Reason = WebhookIsOff
		return CallCancelled{ended}, 0
	case o.Status == statusGone:
		ended.Reason = WebhookGone
		return CallFailed{ended}, 0
	case o.Class == ports.ClassBlocked:
		ended.Reason = TargetRefused
		return CallFailed{ended}, 0
	}
	at, ok := nextAttempt(w.Webhook, o.Attempt, o, now, jitter)
	switch {
	case !ok || call.Once:
		ended.Reason = ScheduleUsedUp
	case call.ExpiresAt != nil && !at.Before(*call.ExpiresAt):
		ended.Reason = TooOld
	default:
		return nil, StampOf(at)
	}
	return CallFailed{ended}, 0
}

func (d *Decision) attempted(in Inputs, o Outcome) CallAttempted {
	e := CallAttempted{
		Call: o.Call, Company: o.Company, Attempt: o.Attempt, Lease: o.Lease, Epoch: o.Epoch,
		StartedAt: StampOf(o.StartedAt), TookMS: o.TookMS, Status: o.Status, Class: o.Class,
		// CBOR text holds no invalid UTF-8: the entry could not be read again.
		Error: strings.ToValidUTF8(o.Error, "\uFFFD"),
	}
	if len(o.Response) > 0 {
		digest := d.keep(in, ResponseKey(o.Call, o.Attempt, o.Lease, o.Epoch), o.Response)
		e.Response = &Response{Digest: digest, Bytes: len(o.Response), Truncated: o.Truncated}
	}
	return e
}
