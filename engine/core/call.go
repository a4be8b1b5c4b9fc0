package core

import (
	"slices"
	"time"

	"posthorn/ports"
)

// A CallState is where a call stands. The names are written into rows and answers.
type CallState string

// The states: one open, four ended.
const (
	Pending   CallState = "pending"
	Succeeded CallState = "succeeded"
	Failed    CallState = "failed"
	Skipped   CallState = "skipped"
	Cancelled CallState = "cancelled"
)

// Open tells whether the call is still to be attempted.
func (s CallState) Open() bool { return s == Pending }

// CallStates lists all states, the open one first.
func CallStates() []CallState { return []CallState{Pending, Succeeded, Failed, Skipped, Cancelled} }

// A Reason says why a call ended without success. The names are written into the log.
type Reason string

// The reasons.
const (
	ScheduleUsedUp   Reason = "schedule used up"
	ResourceMissing  Reason = "resource missing"
	TargetRefused    Reason = "target refused"
	WebhookGone      Reason = "webhook gone"     // answered 410
	WebhookIsOff     Reason = "webhook disabled" // when the message came, or while the call waited
	WebhookIsDeleted Reason = "webhook deleted"
	CancelledByHand  Reason = "cancelled by hand"
)

// A Call is one message for one webhook, until it ends.
type Call struct {
	ID        string       `json:"id"`
	Company   string       `json:"company"`
	Webhook   string       `json:"webhook"`
	Message   string       `json:"message"`
	EventType string       `json:"eventType"`
	Resource  *ResourceRef `json:"resource,omitempty"`
	// URL is the webhook's when the call was requested.
	URL   string    `json:"url"`
	State CallState `json:"state"`
	// Reason says why the call ended, empty while it is open or after success.
	Reason Reason `json:"reason,omitempty"`
	// AttemptCount counts those that decided something; an attempt that was repeated after a crash counts once.
	AttemptCount int `json:"attemptCount"`
	// LastStatus, LastClass and LastError are of the newest attempt.
	LastStatus int         `json:"lastStatus,omitempty"`
	LastClass  ports.Class `json:"lastClass,omitempty"`
	LastError  string      `json:"lastError,omitempty"`
	// NextAt is when the next attempt may begin; nil when the call has ended.
	NextAt    *time.Time `json:"nextAt,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// RetryOf is the call that this one repeats by hand.
	RetryOf string `json:"retryOf,omitempty"`
}

// callRow is the stored form.
type callRow struct {
	Call
	HasData bool     `json:"hasData,omitempty"`
	Seqs    []uint64 `json:"seqs"`
	Tries   []try    `json:"tries,omitempty"`
}

// A try tells a repeated outcome from a new one.
type try struct {
	Attempt int    `json:"a"`
	Lease   int    `json:"l"`
	Epoch   uint64 `json:"e"`
}

func (c *callRow) tried(t try) bool { return slices.Contains(c.Tries, t) }

// due names the call's row in its webhook's queue.
func (c *callRow) due() Due {
	return Due{Webhook: c.Webhook, At: *c.NextAt, Seq: c.Seqs[0], Company: c.Company, Call: c.ID}
}

func (c *callRow) message() MessageRef {
	return MessageRef{Message: c.Message, Company: c.Company, EventType: c.EventType, Resource: c.Resource, HasData: c.HasData}
}
