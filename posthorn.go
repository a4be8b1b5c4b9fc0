// Package posthorn tells other systems what happened: it stores events, and calls the webhooks that asked to hear of them until each call
// has ended. It runs inside the program that imports it, or as the binary cmd/posthorn, with nothing else to run.
//
// [Open] starts everything over a directory. [Posthorn.RegisterWebhook] says who wants to hear what; [Posthorn.Publish] and
// [Posthorn.CreateCandidate] say what happened: when they return nil, the event and the plan of every call that follows from it are on
// disk. [Posthorn.Calls], [Posthorn.Call] and [Posthorn.Follow] tell what came of it.
//
// Read next: package engine for what runs inside, package ports to bring a store, a bus or a caller of your own, and package
// adapters/httpapi to offer it all over HTTP.
package posthorn

import (
	"context"
	"errors"
	"io"
	"time"

	"posthorn/adapters/badgerstore"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/engine/core"
	"posthorn/ports"
)

// MinRetention is the least that Options.Retention may be, but for 0.
const MinRetention = engine.MinRetention

// What commands take and queries give. They are package engine's own; an embedder need not import it.
type (
	// Webhook is a registration: where a company wants to be told of which event types.
	Webhook = engine.Webhook
	// NewWebhook asks for a webhook.
	NewWebhook = engine.NewWebhook
	// WebhookEdit changes a webhook; nil fields stay.
	WebhookEdit = engine.WebhookEdit
	// Settings are what a company asks of a webhook: whom to call, for what, and how.
	Settings = engine.Settings
	// Breaker says since when and until when a webhook's calls are held back.
	Breaker = engine.Breaker
	// Failing says since when a webhook has not had a success.
	Failing = engine.Failing
	// OldSecret says until when one that was rotated out signs too.
	OldSecret = engine.OldSecret
	// Registered is a new webhook, or one whose secret was rotated, with its secret, which is shown this once.
	Registered = engine.Registered
	// Rotation puts a new secret in force.
	Rotation = engine.Rotation
	// Candidate is the sample resource.
	Candidate = engine.Candidate
	// NewCandidate asks for a candidate.
	NewCandidate = engine.NewCandidate
	// Message is one occurrence to be told.
	Message = engine.Message
	// NewMessage asks to tell something.
	NewMessage = engine.NewMessage
	// ResourceRef names one version of a resource.
	ResourceRef = engine.ResourceRef
	// Call is one message for one webhook, until it ends.
	Call = engine.Call
	// CallState is where a call stands.
	CallState = engine.CallState
	// CallDetail is a call with its attempts, events and body.
	CallDetail = engine.CallDetail
	// CallQuery asks for calls, newest first.
	CallQuery = engine.CallQuery
	// ListQuery asks for webhooks or candidates, oldest first.
	ListQuery = engine.ListQuery
	// EventQuery asks for events, oldest first.
	EventQuery = engine.EventQuery
	// Event is an event of the log as the outside sees it.
	Event = engine.Event
	// Page is a part of a list.
	Page[T any] = engine.Page[T]
	// HistoryRow is a call with the body that the receiver gets.
	HistoryRow = engine.HistoryRow
	// Reason says why a call ended without success.
	Reason = core.Reason
	// Duration is a time.Duration that is written as text.
	Duration = core.Duration
	// Attempt is one HTTP try.
	Attempt = engine.Attempt
	// Policy is what a webhook gets that does not ask for its own.
	Policy = engine.Policy
	// Hooks are called as things happen.
	Hooks = engine.Hooks
	// CommitInfo describes a commit.
	CommitInfo = engine.CommitInfo
	// Replay sends a part of a company's history again.
	Replay = engine.Replay
	// NewReplay asks for one.
	NewReplay = engine.NewReplay
	// ReplayQuery is its range.
	ReplayQuery = engine.ReplayQuery
	// ReplayPreview says what it would send to whom, and why not more.
	ReplayPreview = engine.ReplayPreview
	// Key seals secrets.
	Key = engine.Key
	// MasterKey says where the keys stand that secrets are sealed under.
	MasterKey = engine.MasterKey
	// APIKey lets a program use the API of package adapters/httpapi, within its scope.
	APIKey = engine.APIKey
	// NewAPIKey asks for one.
	NewAPIKey = engine.NewAPIKey
	// NewToken is a new API key with its token, which is shown this once.
	NewToken = engine.NewToken
	// KeyQuery asks for API keys, oldest first.
	KeyQuery = engine.KeyQuery
	// Scope is what an API key is for: admin, read or company:ID.
	Scope = engine.Scope
	// Access is what a request may do.
	Access = engine.Access
	// Actor is who asked for a command: WithActor puts it into the context, and the log keeps it.
	Actor = engine.Actor
	// BackupSummary says what a backup holds.
	BackupSummary = backup.Summary
	// BackupOutline is a backup without its content: what the next one builds on.
	BackupOutline = backup.Outline
	// Restored says what was put back.
	Restored = backup.Restored
	// InvalidError says what is wrong with a command.
	InvalidError = engine.InvalidError
	// Problem is one fault of one field.
	Problem = engine.Problem
)

// The states of a call: one open, four ended.
const (
	Pending   = core.Pending
	Succeeded = core.Succeeded
	Failed    = core.Failed
	Skipped   = core.Skipped
	Cancelled = core.Cancelled
)

// The modes of a replay.
const (
	// ReplaySame makes the calls of the range again, each to its webhook.
	ReplaySame = core.ReplaySame
	// ReplayMatch matches the messages of the range against today's webhooks, and calls those that have not got them.
	ReplayMatch = core.ReplayMatch
)

// The sentinels that errors match.
var (
	ErrNotFound       = ports.ErrNotFound
	ErrConflict       = ports.ErrConflict
	ErrOverloaded     = ports.ErrOverloaded
	ErrClosed         = ports.ErrClosed
	ErrLocked         = ports.ErrLocked
	ErrDiskLow        = ports.ErrDiskLow
	ErrTooLarge       = ports.ErrTooLarge
	ErrDamaged        = ports.ErrDamaged
	ErrUnknownOutcome = ports.ErrUnknownOutcome
)

// StampOf returns a time as a ReplayQuery takes it.
func StampOf(t time.Time) core.Stamp { return core.StampOf(t) }

// WithActor returns a context whose commands are recorded as asked for by a.
func WithActor(ctx context.Context, a Actor) context.Context { return engine.WithActor(ctx, a) }

// ParseKey reads a secret key written as 64 hex digits or as base64 of 32 bytes.
func ParseKey(text string) (Key, error) { return engine.ParseKey(text) }

// ParseKeys reads several, separated by spaces, commas or line ends: the newest first.
func ParseKeys(text string) ([]Key, error) { return engine.ParseKeys(text) }

// A Posthorn is a running engine with what it stands on. All methods are safe for concurrent use.
type Posthorn struct {
	*engine.Engine
	caller io.Closer          // nil for a Caller that came from outside
	store  *badgerstore.Store // nil for a Store that came from outside
}

// Syncs returns how many commits have been synced to the disk since Open; 0 for a Store that came from outside.
func (p *Posthorn) Syncs() uint64 {
	if p.store == nil {
		return 0
	}
	return p.store.Syncs()
}

// Open starts an engine over o.Dir, or over what o brings in its place, and returns when it takes commands and makes calls. It returns
// ErrLocked when another process holds the directory, ErrDamaged and ErrDiskLow for what they say. ctx bounds the opening alone.
func Open(ctx context.Context, o Options) (*Posthorn, error) {
	built, caller, err := o.build(ctx)
	if err != nil {
		return nil, errors.Join(err, release(o.Bus))
	}
	e, err := engine.Open(ctx, built)
	if err != nil {
		return nil, errors.Join(err, closeIf(caller))
	}
	p := &Posthorn{Engine: e, caller: caller}
	if o.Store == nil {
		p.store, _ = built.Store.(*badgerstore.Store)
	}
	return p, nil
}

// Shutdown refuses commands, lets the attempts under way finish until ctx ends, records them, and closes everything. What ctx cuts off
// is attempted again after the next start. It is idempotent.
func (p *Posthorn) Shutdown(ctx context.Context) error {
	return errors.Join(p.Engine.Shutdown(ctx), closeIf(p.caller))
}

// Close is Shutdown without waiting for attempts under way. It is idempotent, and safe after Shutdown.
func (p *Posthorn) Close() error {
	return errors.Join(p.Engine.Close(), closeIf(p.caller))
}

func closeIf(c io.Closer) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
