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
	TransportRefused Reason = "too large for the transport"
	WebhookGone      Reason = "webhook gone"     // answered 410
	WebhookIsOff     Reason = "webhook disabled" // when the message came, or while the call waited
	WebhookIsDeleted Reason = "webhook deleted"
	CancelledByHand  Reason = "cancelled by hand"
	ErasedPayload    Reason = "payload erased"
	TooOld           Reason = "too old"       // the webhook's maxAge
	FilterFailed     Reason = "filter failed" // it could not be judged, or not within its bounds
)

// A Call is one message for one webhook, until it ends. What is not stored under the numbers of its tags, callRow stores.
type Call struct {
	ID        string       `json:"id" cbor:"-"`
	Company   string       `json:"company" cbor:"-"`
	Webhook   string       `json:"webhook" cbor:"4,keyasint,omitempty"`
	Message   string       `json:"message" cbor:"2,keyasint,omitempty"`
	EventType string       `json:"eventType" cbor:"5,keyasint,omitempty"`
	Resource  *ResourceRef `json:"resource,omitempty" cbor:"6,keyasint,omitempty"`
	// URL is the webhook's when the call was requested.
	URL   string    `json:"url" cbor:"11,keyasint,omitempty"`
	State CallState `json:"state" cbor:"16,keyasint,omitempty"`
	// Reason says why the call ended, empty while it is open or after success.
	Reason Reason `json:"reason,omitempty" cbor:"31,keyasint,omitempty"`
	// AttemptCount counts those that decided something; an attempt that was repeated after a crash counts once.
	AttemptCount int `json:"attemptCount" cbor:"17,keyasint,omitempty"`
	// LastStatus, LastClass and LastError are of the newest attempt.
	LastStatus int         `json:"lastStatus,omitempty" cbor:"24,keyasint,omitempty"`
	LastClass  ports.Class `json:"lastClass,omitempty" cbor:"26,keyasint,omitempty"`
	LastError  string      `json:"lastError,omitempty" cbor:"30,keyasint,omitempty"`
	// NextAt is when the next attempt may begin; nil when the call has ended.
	NextAt    *time.Time `json:"nextAt,omitempty" cbor:"-"`
	CreatedAt time.Time  `json:"createdAt" cbor:"-"`
	UpdatedAt time.Time  `json:"updatedAt" cbor:"-"`
	EndedAt   *time.Time `json:"endedAt,omitempty" cbor:"-"`
	// ExpiresAt is when the call ends if it has not succeeded by then; nil for none.
	ExpiresAt *time.Time `json:"expiresAt,omitempty" cbor:"-"`
	// RetryOf is the call that this one repeats by hand.
	RetryOf string `json:"retryOf,omitempty" cbor:"37,keyasint,omitempty"`
	// Replay made the call, if it is set.
	Replay string `json:"replay,omitempty" cbor:"145,keyasint,omitempty"`
}

// callRow is the stored form. NextAt and EndedAt exclude each other, and so do their stamps.
type callRow struct {
	Call
	Created Stamp    `cbor:"12,keyasint,omitempty"`
	Updated Stamp    `cbor:"13,keyasint,omitempty"`
	Next    Stamp    `cbor:"14,keyasint,omitempty"`
	Ended   Stamp    `cbor:"15,keyasint,omitempty"`
	Seqs    []uint64 `cbor:"18,keyasint"`
	Tries   []try    `cbor:"19,keyasint,omitempty"`
	HasData bool     `cbor:"32,keyasint,omitempty"`
	Expires Stamp    `cbor:"76,keyasint,omitempty"`
	Place   Stamp    `cbor:"79,keyasint,omitempty"` // of an ordered call: when it was requested
	Once    bool     `cbor:"78,keyasint,omitempty"`
}

func (c *callRow) pack() {
	c.Created, c.Updated, c.Next, c.Ended = StampOf(c.CreatedAt), StampOf(c.UpdatedAt), stampOf(c.NextAt), stampOf(c.EndedAt)
	c.Expires = stampOf(c.ExpiresAt)
}

func (c *callRow) unpack(parts []string) bool {
	if len(parts) != 2 {
		return false
	}
	c.Company, c.ID = parts[0], parts[1]
	c.CreatedAt, c.UpdatedAt, c.NextAt, c.EndedAt = c.Created.Time(), c.Updated.Time(), c.Next.Pointer(), c.Ended.Pointer()
	c.ExpiresAt = c.Expires.Pointer()
	return true
}

// A try tells a repeated outcome from a new one.
type try struct {
	Attempt int    `cbor:"20,keyasint,omitempty"`
	Lease   int    `cbor:"21,keyasint,omitempty"`
	Epoch   uint64 `cbor:"22,keyasint,omitempty"`
}

func (c *callRow) tried(t try) bool { return slices.Contains(c.Tries, t) }

// due names the call's row in its webhook's queue.
func (c *callRow) due() Due {
	return Due{Webhook: c.Webhook, At: *c.NextAt, Place: c.Place.Time(), Seq: c.Seqs[0], Company: c.Company, Call: c.ID}
}

// expiry names the row of its end by age.
func (c *callRow) expiry() Expiry {
	return Expiry{At: *c.ExpiresAt, Seq: c.Seqs[0], Company: c.Company, Call: c.ID}
}

func (c *callRow) message() MessageRef {
	return MessageRef{Message: c.Message, Company: c.Company, EventType: c.EventType, Resource: c.Resource, HasData: c.HasData}
}
