package engine

import (
	"time"

	"posthorn/engine/core"
)

// An UndeliveredKind says in which way something was not delivered. The names are written into answers.
type UndeliveredKind string

// The kinds.
const (
	// UndeliveredFailed, UndeliveredSkipped and UndeliveredCancelled are calls that ended so and were not retried since: from then on the new call
	// stands for the old one, and it is the new one that is delivered or not. So of a message that was told at last nothing is listed. Who
	// retries one call twice makes two calls, each of which stands for itself.
	UndeliveredFailed    = UndeliveredKind(core.Failed)
	UndeliveredSkipped   = UndeliveredKind(core.Skipped)
	UndeliveredCancelled = UndeliveredKind(core.Cancelled)
	// UndeliveredWaiting is a call that is open, and was made longer ago than asked for.
	UndeliveredWaiting UndeliveredKind = "waiting"
	// UndeliveredUnmatched is a message that no webhook asked for.
	UndeliveredUnmatched UndeliveredKind = "unmatched"
)

// UndeliveredKinds lists all kinds.
func UndeliveredKinds() []UndeliveredKind {
	return []UndeliveredKind{UndeliveredFailed, UndeliveredSkipped, UndeliveredCancelled, UndeliveredWaiting, UndeliveredUnmatched}
}

// DefaultWaiting is how old an open call is before it counts as waiting.
const DefaultWaiting = 5 * time.Minute

// An UndeliveredQuery asks what was not delivered. Zero fields do not filter.
type UndeliveredQuery struct {
	// Company is empty for all companies, one after the other.
	Company string
	Webhook string
	// EventType is a name, a prefix such as invoice.*, or *, as a webhook asks for it.
	EventType string
	Kind      UndeliveredKind
	// Reason is that of the rows, whole.
	Reason string
	// Since and Until bound the creation of the call, or of an unmatched message: Since <= t < Until.
	Since, Until time.Time
	// WaitingLonger is for how long an open call has waited to be listed; 0 means DefaultWaiting.
	WaitingLonger time.Duration
	// CountOnly leaves the rows out, and counts all whatever the cursor.
	CountOnly bool
	Limit     int
	Cursor    string
}

// An Undelivered is a call, or an unmatched message, that did not reach anybody.
type Undelivered struct {
	Kind      UndeliveredKind `json:"kind"`
	Company   string          `json:"company"`
	Message   string          `json:"message"`
	EventType string          `json:"eventType"`
	Resource  *ResourceRef    `json:"resource,omitempty"`
	// Webhook, Call, URL and what is known of the attempts are empty for an unmatched message.
	Webhook      string `json:"webhook,omitempty"`
	Call         string `json:"call,omitempty"`
	URL          string `json:"url,omitempty"`
	AttemptCount int    `json:"attemptCount,omitempty"`
	LastStatus   int    `json:"lastStatus,omitempty"`
	LastError    string `json:"lastError,omitempty"`
	// Reason says why: that of the call, or what a waiting call waits for.
	Reason    string     `json:"reason"`
	NextAt    *time.Time `json:"nextAt,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
}

// What a waiting call waits for, beside the reasons of calls that have ended.
const (
	NobodyAsked      = "no webhook asked for it"
	WaitsForResume   = "webhook paused"
	WaitsForBreaker  = "breaker open"
	WaitsForRetry    = "to be tried again"
	WaitsForItsTurn  = "not tried yet"
	waitsForDeletion = string(core.WebhookIsOff) // a job is about to cancel it
)

// An UndeliveredPage is a part of the list. Counts are of all that was asked for; they are nil on the pages after the first.
type UndeliveredPage struct {
	Counts *UndeliveredCounts
	Page[Undelivered]
}

func (q UndeliveredQuery) matches(u Undelivered) bool {
	return (q.Company == "" || u.Company == q.Company) &&
		(q.Webhook == "" || u.Webhook == q.Webhook) &&
		(q.EventType == "" || core.Settings{EventTypes: []string{q.EventType}}.Wants(u.EventType)) &&
		(q.Kind == "" || u.Kind == q.Kind) &&
		(q.Reason == "" || u.Reason == q.Reason) &&
		(q.Since.IsZero() || !u.CreatedAt.Before(q.Since)) &&
		(q.Until.IsZero() || u.CreatedAt.Before(q.Until))
}

func undeliveredMessage(m core.Unmatched) Undelivered {
	return Undelivered{
		Kind: UndeliveredUnmatched, Company: m.Company, Message: m.Message, EventType: m.EventType, Resource: m.Resource,
		Reason: NobodyAsked, CreatedAt: m.CreatedAt,
	}
}

func undeliveredCall(kind UndeliveredKind, reason string, c Call) Undelivered {
	return Undelivered{
		Kind: kind, Company: c.Company, Message: c.Message, EventType: c.EventType, Resource: c.Resource, Webhook: c.Webhook, Call: c.ID,
		URL: c.URL, AttemptCount: c.AttemptCount, LastStatus: c.LastStatus, LastError: c.LastError, Reason: reason,
		NextAt: c.NextAt, CreatedAt: c.CreatedAt, EndedAt: c.EndedAt,
	}
}
