package core

import (
	"time"

	"posthorn/ports"
)

// An Event is something that happened, in the past tense. Its fields hold no payload, no profile and no secret.
// The set is closed: the types of this file, each written under its number in codec.go.
type Event interface{ event() }

// A Recorded event stands in the log: at its place, with its time.
type Recorded struct {
	// Seq is the event's place in the total order, from 1.
	Seq uint64
	// At is the time of the decision; it never goes back from one event to the next.
	At time.Time
	// By is who asked for the command; nil where nobody did, or it is not known who.
	By    *Actor
	Event Event
}

// EngineStarted opens an epoch: tasks and outcomes of an earlier one are told from it.
type EngineStarted struct {
	Engine string `json:"engine" cbor:"48,keyasint,omitempty"`
	Epoch  uint64 `json:"epoch" cbor:"22,keyasint,omitempty"`
}

// WebhookRegistered begins a webhook. Seed marks the one that the seed's route allows for a company and event type.
type WebhookRegistered struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Settings
	Seed         bool   `json:"seed,omitempty" cbor:"43,keyasint,omitempty"`
	SecretDigest string `json:"secretDigest" cbor:"44,keyasint,omitempty"`
}

// WebhookUpdated holds all settings as they are from now on.
type WebhookUpdated struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Settings
}

// WebhookHeadersSet says which headers its attempts carry from now on; none removes them all. The vault has the values of those that are
// masked.
type WebhookHeadersSet struct {
	Webhook string            `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string            `json:"company" cbor:"1,keyasint,omitempty"`
	Headers map[string]string `json:"headers,omitempty" cbor:"65,keyasint,omitempty"`
	Digest  string            `json:"digest,omitempty" cbor:"10,keyasint,omitempty"`
}

// WebhookSecretRotated puts a new secret in force. The one before signs too until OldUntil; the zero time lets it sign no more.
type WebhookSecretRotated struct {
	Webhook      string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company      string `json:"company" cbor:"1,keyasint,omitempty"`
	SecretDigest string `json:"secretDigest" cbor:"44,keyasint,omitempty"`
	OldUntil     Stamp  `json:"oldUntil,omitzero" cbor:"82,keyasint,omitempty"`
}

// WebhookPaused makes its calls wait.
type WebhookPaused struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// WebhookResumed lets them go on.
type WebhookResumed struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// BreakerOpened holds the calls of a webhook back until a time: too many attempts failed or, Again, the probe did.
type BreakerOpened struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Reason  string `json:"reason" cbor:"31,keyasint,omitempty"`
	Until   Stamp  `json:"until" cbor:"70,keyasint,omitempty"`
	Again   bool   `json:"again,omitempty" cbor:"81,keyasint,omitempty"`
}

// BreakerClosed lets them go on: the probe succeeded.
type BreakerClosed struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// WebhookEnabled lets new messages reach the webhook again.
type WebhookEnabled struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// WebhookDisabled stops it, with the reason; a job cancels the calls that were open by then.
type WebhookDisabled struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Reason  string `json:"reason" cbor:"31,keyasint,omitempty"`
}

// WebhookDeleted ends it; a job cancels the calls that were open by then.
type WebhookDeleted struct {
	Webhook string `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// A ResourceVersion is what the events of a resource hold: which version is in force, and its digest. What changed is in the
// vault, for it may be personal.
type ResourceVersion struct {
	ResourceRef
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Digest  string `json:"digest" cbor:"10,keyasint,omitempty"`
}

// MessagePublished says that there is something to tell. It is followed, in the same entry, by the plan: a CallRequested for each
// of the first webhooks that match, CallsPlanned for the rest, or MessageUnmatched.
type MessagePublished struct {
	MessageRef
	DataDigest string `json:"dataDigest,omitempty" cbor:"33,keyasint,omitempty"`
}

// MessageUnmatched says that no webhook asked for the message. It holds all that its row needs.
type MessageUnmatched struct{ MessageRef }

// CallsPlanned holds the matched webhooks whose calls follow in later commits; they are never matched again. With a Reason the calls are
// skipped for it.
type CallsPlanned struct {
	MessageRef
	Webhooks []string `json:"webhooks" cbor:"38,keyasint"`
	Reason   Reason   `json:"reason,omitempty" cbor:"31,keyasint,omitempty"`
}

// CallRequested begins a call, due at once. CreatedAt is the message's time, which the receiver sees as triggeredAt. ExpiresAt is when it
// ends unless it has succeeded; Ordered calls of a webhook are made one after the other; a call that is Once is not tried again. Replay made
// it, if it is set; a Planned one is of the rest of a plan, and so not in its message's entry.
type CallRequested struct {
	MessageRef
	Call      string `json:"call" cbor:"3,keyasint,omitempty"`
	Webhook   string `json:"webhook" cbor:"4,keyasint,omitempty"`
	URL       string `json:"url" cbor:"11,keyasint,omitempty"`
	CreatedAt Stamp  `json:"createdAt" cbor:"12,keyasint,omitempty"`
	RetryOf   string `json:"retryOf,omitempty" cbor:"37,keyasint,omitempty"`
	ExpiresAt Stamp  `json:"expiresAt,omitzero" cbor:"76,keyasint,omitempty"`
	Ordered   bool   `json:"ordered,omitempty" cbor:"77,keyasint,omitempty"`
	Once      bool   `json:"once,omitempty" cbor:"78,keyasint,omitempty"`
	Replay    string `json:"replay,omitempty" cbor:"145,keyasint,omitempty"`
	Planned   bool   `json:"planned,omitempty" cbor:"146,keyasint,omitempty"`
}

// Again tells whether the call was requested after its message's own entry: the rest of a large plan, a retry, a replay.
func (e CallRequested) Again() bool { return e.RetryOf != "" || e.Replay != "" || e.Planned }

// CallAttempted records one attempt and what came of it, whatever the call's state. NextAt is the decision when to try again. Failing is
// what is noted of the webhook from now on, nil where nothing is; Recovered ends its failing.
type CallAttempted struct {
	Call      string      `json:"call" cbor:"3,keyasint,omitempty"`
	Company   string      `json:"company" cbor:"1,keyasint,omitempty"`
	Attempt   int         `json:"attempt" cbor:"20,keyasint,omitempty"`
	Lease     int         `json:"lease" cbor:"21,keyasint,omitempty"`
	Epoch     uint64      `json:"epoch" cbor:"22,keyasint,omitempty"`
	StartedAt Stamp       `json:"startedAt" cbor:"27,keyasint,omitempty"`
	TookMS    int64       `json:"tookMs" cbor:"28,keyasint,omitempty"`
	Status    int         `json:"status,omitempty" cbor:"23,keyasint,omitempty"`
	Class     ports.Class `json:"class,omitempty" cbor:"25,keyasint,omitempty"`
	Error     string      `json:"error,omitempty" cbor:"29,keyasint,omitempty"`
	Response  *Response   `json:"response,omitempty" cbor:"34,keyasint,omitempty"`
	NextAt    Stamp       `json:"nextAt,omitempty" cbor:"14,keyasint,omitempty"`
	Failing   *Failing    `json:"failing,omitempty" cbor:"68,keyasint,omitempty"`
	Recovered bool        `json:"recovered,omitempty" cbor:"83,keyasint,omitempty"`
}

// Response names the kept part of a response body in the vault.
type Response struct {
	Digest    string `json:"digest" cbor:"10,keyasint,omitempty"`
	Bytes     int    `json:"bytes" cbor:"35,keyasint,omitempty"`
	Truncated bool   `json:"truncated,omitempty" cbor:"36,keyasint,omitempty"`
}

// CallEnded is what the four ends of a call hold.
type CallEnded struct {
	Call    string `json:"call" cbor:"3,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Reason  Reason `json:"reason,omitempty" cbor:"31,keyasint,omitempty"`
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
	Job string `json:"job" cbor:"49,keyasint,omitempty"`
}

// KeyUsed keeps the answer to a command that was sent with an idempotency key.
type KeyUsed struct {
	Company     string `json:"company" cbor:"1,keyasint,omitempty"`
	Route       string `json:"route" cbor:"53,keyasint,omitempty"`
	Key         string `json:"key" cbor:"54,keyasint,omitempty"`
	Fingerprint string `json:"fingerprint" cbor:"55,keyasint,omitempty"`
	Answer      string `json:"answer" cbor:"56,keyasint,omitempty"`
}

// KeysExpired forgets idempotency keys whose time is over.
type KeysExpired struct {
	Keys []ExpiredKey `json:"keys" cbor:"57,keyasint"`
}

// ExpiredKey names an idempotency key, and the places of its KeyUsed, which retention takes out of the log together with KeysExpired.
type ExpiredKey struct {
	UsedKey
	Seqs []uint64 `json:"seqs,omitempty" cbor:"18,keyasint,omitempty"`
}

// UsedKey names an idempotency key.
type UsedKey struct {
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Route   string `json:"route" cbor:"53,keyasint,omitempty"`
	Key     string `json:"key" cbor:"54,keyasint,omitempty"`
}

func (EngineStarted) event()        {}
func (WebhookRegistered) event()    {}
func (WebhookUpdated) event()       {}
func (WebhookEnabled) event()       {}
func (WebhookHeadersSet) event()    {}
func (WebhookSecretRotated) event() {}
func (WebhookPaused) event()        {}
func (WebhookResumed) event()       {}
func (BreakerOpened) event()        {}
func (BreakerClosed) event()        {}
func (WebhookDisabled) event()      {}
func (WebhookDeleted) event()       {}
func (MessagePublished) event()     {}
func (MessageUnmatched) event()     {}
func (CallsPlanned) event()         {}
func (CallRequested) event()        {}
func (CallAttempted) event()        {}
func (CallSucceeded) event()        {}
func (CallFailed) event()           {}
func (CallSkipped) event()          {}
func (CallCancelled) event()        {}
func (JobEnded) event()             {}
func (KeyUsed) event()              {}
func (KeysExpired) event()          {}
