package core

import (
	"time"

	"posthorn/ports"
)

// DefaultDisableAfter is for how long a webhook may fail without one success before it is disabled: five days, as with Svix.
const DefaultDisableAfter = 5 * 24 * time.Hour

// Bounds of what is noted of a failing webhook.
const (
	// noteEvery is how often a failure is noted at the most: each is a write of the webhook's row.
	noteEvery = time.Hour
	// countedGap is how much of the time between two failures counts: the longest wait of the default schedule, with its jitter. So neither a
	// clock that is set forward nor an engine that stood still for a week disables a webhook that was not tried.
	countedGap = 24*time.Hour + 24*time.Hour/10
)

// Failing says since when a webhook has not had a success, and how much of that time was seen.
type Failing struct {
	Since Stamp `json:"since" cbor:"73,keyasint,omitempty"`
	// Noted is the newest failure that was noted, the time of its event; Seen is the time between those before, each gap up to countedGap.
	Noted Stamp    `json:"-" cbor:"74,keyasint,omitempty"`
	Seen  Duration `json:"seen" cbor:"75,keyasint,omitempty"`
}

// Charged tells whether an outcome is the receiver's doing: not our own fault, nor that of the way there, nor a call that was not made.
func Charged(class ports.Class) bool {
	return class != ports.ClassInternal && class != ports.ClassProxy && class != ports.ClassBlocked
}

// seenBy is how long a webhook has been seen failing when it fails at now.
func (f *Failing) seenBy(now time.Time) time.Duration {
	if f == nil {
		return 0
	}
	return time.Duration(f.Seen) + min(max(0, now.Sub(f.Noted.Time())), countedGap)
}

// noted returns what is to be noted of a failure at a time, nil where it is not worth a write.
func (f *Failing) noted(at time.Time) *Failing {
	switch {
	case f == nil:
		return &Failing{Since: StampOf(at)}
	case at.Sub(f.Noted.Time()) < noteEvery:
		return nil
	}
	return &Failing{Since: f.Since, Seen: Duration(f.seenBy(at))}
}

// health decides what an outcome says of its webhook, if it is called at all: what is to be noted, or that it answers again.
func (w *webhookRow) health(class ports.Class, now time.Time) (failing *Failing, recovered bool) {
	switch {
	case w == nil || w.Deleted || !w.Enabled || !Charged(class):
		return nil, false
	case class == ports.ClassOK:
		return nil, w.Failing != nil
	}
	return w.Failing.noted(now), false
}

// foldHealth takes over what was noted. A webhook that goes on as it did costs no write.
func (s *State) foldHealth(r Recorded, e HealthNoted) error {
	return set(s, WebhookKey(e.Company, e.Webhook), func(row *webhookRow) {
		row.Failing, row.NotedBy = nil, r.Seq
		if e.Failing != nil {
			noted := *e.Failing
			noted.Noted = StampOf(r.At)
			row.Failing = &noted
		}
	})
}
