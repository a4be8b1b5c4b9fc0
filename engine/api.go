package engine

import (
	"encoding/json"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// The values that commands take and queries give. They are the core's own.
type (
	// Webhook is a registration: where a company wants to be told of which event types.
	Webhook = core.Webhook
	// Settings are what a company asks of a webhook: whom to call, for what, and how.
	Settings = core.Settings
	// Breaker says since when and until when a webhook's calls are held back.
	Breaker = core.Breaker
	// Failing says since when a webhook has not had a success.
	Failing = core.Failing
	// OldSecret says until when one that was rotated out signs too.
	OldSecret = core.OldSecret
	// Stamp is a time as it is stored; Stamp.Time gives it.
	Stamp = core.Stamp
	// NewWebhook asks for a webhook.
	NewWebhook = core.NewWebhook
	// WebhookEdit changes a webhook; nil fields stay.
	WebhookEdit = core.WebhookEdit
	// Candidate is the sample resource.
	Candidate = core.Candidate
	// NewCandidate asks for a candidate.
	NewCandidate = core.NewCandidate
	// NewMessage asks to tell something.
	NewMessage = core.NewMessage
	// Message is one occurrence to be told.
	Message = core.Message
	// ResourceRef names one version of a resource.
	ResourceRef = core.ResourceRef
	// Call is one message for one webhook, until it ends.
	Call = core.Call
	// CallState is where a call stands.
	CallState = core.CallState
	// Reason says why a call ended without success.
	Reason = core.Reason
	// Duration is a time.Duration that is written as text.
	Duration = core.Duration
	// Policy is what a webhook gets that does not ask for its own.
	Policy = core.Policy
	// Replay sends a part of a company's history again.
	Replay = core.Replay
	// NewReplay asks for one.
	NewReplay = core.NewReplay
	// ReplayQuery is its range.
	ReplayQuery = core.ReplayQuery
	// InvalidError says what is wrong with a command.
	InvalidError = core.InvalidError
	// Problem is one fault of one field.
	Problem = core.Problem
)

// Registered is a new webhook, or one whose secret was rotated, with its secret, which is shown this once.
type Registered struct {
	Webhook
	// Secret is whsec_ and base64: the key of the Standard Webhooks signature, and as text that of the seed's token.
	Secret string `json:"secret"`
}

// A Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Next is the cursor of the next page, empty on the last. A page may hold fewer items than asked for and still have a
	// next one, for the rows looked at for one page are bounded.
	Next string
}

// A ListQuery asks for a page of a company's webhooks or candidates, oldest first.
type ListQuery struct {
	Company string
	// Limit is 1 to 250; 0 means 50.
	Limit  int
	Cursor string
}

// A CallQuery asks for a company's calls, newest first. Zero fields do not filter.
type CallQuery struct {
	Company   string
	Webhook   string
	EventType string
	State     CallState
	// Since and Until bound the call's creation: Since <= t < Until.
	Since, Until time.Time
	// AsOf asks for the calls as they were at that time, their states too; zero for now. Each call that has changed since costs a read of its
	// events.
	AsOf   time.Time
	Limit  int
	Cursor string
}

// A CallDetail is a call with all that is known of it.
type CallDetail struct {
	Call
	// Attempts are in the order in which they were recorded.
	Attempts []Attempt `json:"attempts"`
	// Timeline holds the call's events, oldest first.
	Timeline []Event `json:"timeline"`
	// Body is what the receiver gets, nil when its parts are no longer kept.
	Body json.RawMessage `json:"body,omitempty"`
	// Erased says that what the call told was erased.
	Erased bool `json:"erased,omitempty"`
}

// An Attempt is one HTTP try.
type Attempt struct {
	Attempt   int         `json:"attempt"`
	Lease     int         `json:"lease"`
	StartedAt time.Time   `json:"startedAt"`
	TookMS    int64       `json:"tookMs"`
	Status    int         `json:"status,omitempty"`
	Class     ports.Class `json:"class,omitempty"`
	Error     string      `json:"error,omitempty"`
	// Response is the kept part of the answer's body; ResponseTruncated says that there was more.
	Response          string     `json:"response,omitempty"`
	ResponseTruncated bool       `json:"responseTruncated,omitempty"`
	NextAt            *time.Time `json:"nextAt,omitempty"`
}

// An Event is an event as the outside sees it.
type Event struct {
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	Type string    `json:"type"`
	// By is who asked for the command that led to it; absent where the engine acted by itself, or it is not known who asked.
	By   *Actor          `json:"by,omitempty"`
	Data json.RawMessage `json:"data"`
}

// An EventQuery asks for a page of the log, oldest first. Company and Type filter when they are not empty.
type EventQuery struct {
	Company string
	Type    string
	After   uint64
	Limit   int
}

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 250
)

// A HistoryRow is a call with the body that the receiver gets.
type HistoryRow struct {
	Call
	// Body is nil when its parts are no longer kept, or the resource was missing.
	Body json.RawMessage
}
