package core

import (
	"time"

	"posthorn/ports"
)

// An Event is something that happened, in the past tense. Its fields hold no payload, no profile and no secret.
// The set is closed: the types of this file, each written under its name in codec.go.
type Event interface{ event() }

// A Recorded event stands in the log: at its place, with its time.
type Recorded struct {
	// Seq is the event's place in the total order, from 1.
	Seq uint64
	// At is the time of the decision; it never goes back from one event to the next.
	At    time.Time
	Event Event
}

// EngineStarted opens an epoch: tasks and outcomes of an earlier one are told from it.
type EngineStarted struct {
	Engine string `json:"engine"`
	Epoch  uint64 `json:"epoch"`
}

// WebhookRegistered begins a webhook. Seed marks the one that the seed's route allows for a company and event type.
type WebhookRegistered struct {
	Webhook      string     `json:"webhook"`
	Company      string     `json:"company"`
	URL          string     `json:"url"`
	EventTypes   []string   `json:"eventTypes"`
	Description  string     `json:"description,omitempty"`
	Schedule     []Duration `json:"schedule"`
	Timeout      Duration   `json:"timeout"`
	Seed         bool       `json:"seed,omitempty"`
	SecretDigest string     `json:"secretDigest"`
}

// WebhookUpdated holds all settings as they are from now on.
type WebhookUpdated struct {
	Webhook     string     `json:"webhook"`
	Company     string     `json:"company"`
	URL         string     `json:"url"`
	EventTypes  []string   `json:"eventTypes"`
	Description string     `json:"description,omitempty"`
	Schedule    []Duration `json:"schedule"`
	Timeout     Duration   `json:"timeout"`
}

// WebhookEnabled lets new messages reach the webhook again.
type WebhookEnabled struct {
	Webhook string `json:"webhook"`
	Company string `json:"company"`
}

// WebhookDisabled stops it, with the reason; a job cancels the calls that were open by then.
type WebhookDisabled struct {
	Webhook string `json:"webhook"`
	Company string `json:"company"`
	Reason  string `json:"reason"`
}

// WebhookDeleted ends it; a job cancels the calls that were open by then.
type WebhookDeleted struct {
	Webhook string `json:"webhook"`
	Company string `json:"company"`
}

// A ResourceVersion is what the events of a resource hold: which version is in force, and its digest. What changed is in the
// vault, for it may be personal.
type ResourceVersion struct {
	ResourceRef
	Company string `json:"company"`
	Digest  string `json:"digest"`
}

// MessagePublished says that there is something to tell. It is followed, in the same entry, by the plan: a CallRequested for each
// of the first webhooks that match, CallsPlanned for the rest, or MessageUnmatched.
type MessagePublished struct {
	MessageRef
	DataDigest string `json:"dataDigest,omitempty"`
}

// MessageUnmatched says that no webhook asked for the message.
type MessageUnmatched struct {
	Message string `json:"message"`
	Company string `json:"company"`
}

// CallsPlanned holds the matched webhooks whose calls follow in later commits; they are never matched again.
type CallsPlanned struct {
	MessageRef
	Webhooks []string `json:"webhooks"`
}

// CallRequested begins a call, due at once. CreatedAt is the message's time, which the receiver sees as triggeredAt.
type CallRequested struct {
	MessageRef
	Call      string    `json:"call"`
	Webhook   string    `json:"webhook"`
	URL       string    `json:"url"`
	CreatedAt time.Time `json:"createdAt"`
	RetryOf   string    `json:"retryOf,omitempty"`
}

// CallAttempted records one attempt and what came of it, whatever the call's state. NextAt is the decision when to try again.
type CallAttempted struct {
	Call      string      `json:"call"`
	Company   string      `json:"company"`
	Attempt   int         `json:"attempt"`
	Lease     int         `json:"lease"`
	Epoch     uint64      `json:"epoch"`
	StartedAt time.Time   `json:"startedAt"`
	TookMS    int64       `json:"tookMs"`
	Status    int         `json:"status,omitempty"`
	Class     ports.Class `json:"class,omitempty"`
	Error     string      `json:"error,omitempty"`
	Response  *Response   `json:"response,omitempty"`
	NextAt    *time.Time  `json:"nextAt,omitempty"`
}

// Response names the kept part of a response body in the vault.
type Response struct {
	Digest    string `json:"digest"`
	Bytes     int    `json:"bytes"`
	Truncated bool   `json:"truncated,omitempty"`
}

// CallEnded is what the four ends of a call hold.
type CallEnded struct {
	Call    string `json:"call"`
	Company string `json:"company"`
	Reason  Reason `json:"reason,omitempty"`
}

// The ends of a call.
type (
	// CallSucceeded says that the receiver answered 2xx.
	CallSucceeded struct{ CallEnded }
	// CallFailed says that it will not be tried again.
	CallFailed struct{ CallEnded }
	// CallSkipped says that its webhook was disabled when the message came.
	CallSkipped struct{ CallEnded }
	// CallCancelled says that somebody or something no longer wants it.
	CallCancelled struct{ CallEnded }
)

// JobEnded removes a job: its work is done.
type JobEnded struct {
	Job string `json:"job"`
}

// KeyUsed keeps the answer to a command that was sent with an idempotency key.
type KeyUsed struct {
	Company     string `json:"company"`
	Route       string `json:"route"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	Answer      string `json:"answer"`
}

// KeysExpired forgets idempotency keys whose time is over.
type KeysExpired struct {
	Keys []UsedKey `json:"keys"`
}

// UsedKey names an idempotency key.
type UsedKey struct {
	Company string `json:"company"`
	Route   string `json:"route"`
	Key     string `json:"key"`
}

func (EngineStarted) event()     {}
func (WebhookRegistered) event() {}
func (WebhookUpdated) event()    {}
func (WebhookEnabled) event()    {}
func (WebhookDisabled) event()   {}
func (WebhookDeleted) event()    {}
func (MessagePublished) event()  {}
func (MessageUnmatched) event()  {}
func (CallsPlanned) event()      {}
func (CallRequested) event()     {}
func (CallAttempted) event()     {}
func (CallSucceeded) event()     {}
func (CallFailed) event()        {}
func (CallSkipped) event()       {}
func (CallCancelled) event()     {}
func (JobEnded) event()          {}
func (KeyUsed) event()           {}
func (KeysExpired) event()       {}
