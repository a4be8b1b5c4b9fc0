package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/engine/core"
	"posthorn/engine/filter"
	"posthorn/ports"
)

// Options of an engine. Store, Bus, Caller and Key are required; everything else has a default.
type Options struct {
	// Store, Bus and Caller are the engine's own from Open on: it closes the store and ends the bus when it stops, and when Open fails.
	Store  ports.Store
	Bus    ports.Bus
	Caller ports.Caller
	// Key seals secrets at rest and what travels on the bus. OldKeys open what was sealed before it was the newest: a store opens only when all
	// keys are there that something in it is still sealed under. Under another Key than the one before, a job seals everything anew; MasterKey
	// tells when OldKeys can go.
	Key     Key
	OldKeys []Key
	// SaveKeys keeps a ring of keys for the next start, the newest first, durably; with it RotateMaster draws keys. Nil where the keys are
	// somebody else's to keep. Calls do not overlap.
	SaveKeys func([]Key) error
	// NoDispatch leaves all attempts to dispatchers elsewhere, which have the same transport, topic prefix and key. Caller is then not used.
	NoDispatch bool

	// Logger takes what an operator should know; nil discards it. It never gets a secret, a payload or a profile.
	Logger *slog.Logger
	// Hooks are called as things happen.
	Hooks Hooks
	// Defaults is the policy of webhooks that do not ask for their own; zero fields take core.DefaultPolicy.
	Defaults Policy
	// DisableAfter is for how long a webhook may fail without one success before it is disabled; 0 takes core.DefaultDisableAfter, less than 0
	// disables none.
	DisableAfter time.Duration
	// NoBreaker lets webhooks be called as their schedules say, however many of the attempts fail.
	NoBreaker bool
	// Retention is how long a call is kept after the last that happened to it, and a message as long as its calls; then both are forgotten, with
	// their payloads, responses and events. 0 keeps all for ever; the least is 1 s.
	Retention time.Duration
	// UserAgent of the calls; empty means Posthorn.
	UserAgent string
	// TopicPrefix begins the bus's topic names; empty means posthorn.
	TopicPrefix string
	// Inbox accepts messages and candidates from the bus's topic inbox, which all engines of a prefix share.
	Inbox bool
	// PublishEvents puts every event of the log on the bus's topic events, in order and at least once. It begins with the first; switched on
	// again, it goes on where it was switched off. PublishEventPayloads adds messages' data and profiles.
	PublishEvents, PublishEventPayloads bool
	// Random is where ids, salts, secrets and jitter are drawn from; nil means crypto/rand. A test may give a repeatable one.
	Random io.Reader
	// Wall is the wall clock; nil means time.Now. A test may give one that is set forward and back.
	Wall func() time.Time
}

// Hooks are told what happens. Each may be nil, is called from one of the engine's goroutines, and must return quickly.
type Hooks struct {
	// Committed is called after every commit, from the writer's goroutine, before the callers get their answers.
	Committed func(CommitInfo)
	// Rejected is called for an envelope that cannot be read, or in the inbox never be accepted; it has been kept on the topic's .rejected
	// twin. The error may show values of the envelope, personal ones too.
	Rejected func(topic string, err error)
}

// CommitInfo describes a commit.
type CommitInfo struct {
	// Seq is the newest event, Events how many the commit held, Writes how many entries, puts and deletes.
	Seq            uint64
	Events, Writes int
	// Took is the time from the batch's first decision to the end of the sync.
	Took time.Duration
}

// An Engine accepts webhooks, candidates and messages, and calls until each call has ended. All methods are safe for concurrent use.
type Engine struct {
	*KeyRing

	store        ports.Store
	bus          ports.Bus
	checkup      checkup
	wire         *wire
	from         origin
	before       time.Time // the last event before this start, zero for none
	masterRing   *masterRing
	defaults     Policy
	filters      *filter.Filters
	disableAfter time.Duration
	log          *slog.Logger
	hooks        Hooks

	writer     *writer
	lanes      *lanes
	pump       *pump
	jobs       *jobs
	replayer   *replayer
	pruner     *pruner     // nil without retention
	dispatcher *dispatcher // nil with NoDispatch
	news       *news
	feed       *feed // nil unless events are published
	takesInbox bool

	stops    atomic.Bool   // the first to set it stops the engine
	stopping chan struct{} // closed when stopping begins
	done     chan struct{} // closed when everything has stopped
	stopErr  error
	hurried  context.Context // ended by the least patient of those who stop the engine
	hurry    context.CancelFunc

	stopPump, stopBus context.CancelFunc
	feeding           sync.WaitGroup // pump and jobs
	carrying          sync.WaitGroup // the bus
	writing           sync.WaitGroup // the writer
	busEnded          chan struct{}  // closed when the bus no longer runs; busErr says why
	busErr            error
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Store == nil, o.Bus == nil, o.Caller == nil && !o.NoDispatch:
		return o, errors.New("open engine: Store, Bus and Caller are required; posthorn.Open gives the usual ones")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	def := core.DefaultPolicy()
	if o.Defaults.Schedule == nil {
		o.Defaults.Schedule = def.Schedule
	}
	if o.Defaults.Timeout == 0 {
		o.Defaults.Timeout = def.Timeout
	}
	if err := o.Defaults.Check(); err != nil {
		return o, fmt.Errorf("open engine: defaults of webhooks: %w", err)
	}
	if o.Retention != 0 && o.Retention < MinRetention {
		return o, fmt.Errorf("open engine: a retention of %s is refused: what has just ended is still asked for; give at least %s, or 0 to keep all",
			o.Retention, MinRetention)
	}
	if o.DisableAfter == 0 {
		o.DisableAfter = core.DefaultDisableAfter
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultAgent
	}
	return o, nil
}

const defaultAgent = "Posthorn"

// dispatcher returns the options of the one beside the engine: its pool is as large as the engine's window, so that taking the tasks of
// this engine alone never blocks.
func (o Options) dispatcher(rejected func(string, error)) DispatcherOptions {
	return DispatcherOptions{
		Caller: o.Caller, Logger: o.Logger, Concurrency: maxWindow, UserAgent: o.UserAgent, Wall: o.Wall, Hooks: DispatchHooks{Rejected: rejected},
	}
}

// Ready returns nil while commands are taken, and otherwise why not: ErrDiskLow, ErrClosed, ErrUnknownOutcome, or the bus's error.
func (e *Engine) Ready(context.Context) error {
	select {
	case <-e.writer.failed:
		return e.writer.failure
	case <-e.stopping:
		return fmt.Errorf("the engine is stopping: %w", ports.ErrClosed)
	default:
	}
	select {
	case <-e.busEnded:
		return fmt.Errorf("the bus has ended and nothing is called: %w; restart the engine", e.busErr)
	default:
	}
	if e.writer.diskLow.Load() {
		return fmt.Errorf("the disk is below its floor: %w; free space, writes go on by themselves", ports.ErrDiskLow)
	}
	return nil
}

// Degraded returns nil while calls are made when they are due, and otherwise why they wait although commands are taken: the transport
// cannot be reached, or attempts end without an outcome. It goes by itself when the cause does. Ask Ready first.
func (e *Engine) Degraded(ctx context.Context) error {
	if err := e.checkup.look(ctx); err != nil {
		return fmt.Errorf("calls wait: %w; they go on by themselves when it can", err)
	}
	return e.lanes.distrust()
}

// Failed is closed when the engine can no longer write: the process should end, and start again.
func (e *Engine) Failed() <-chan struct{} { return e.writer.failed }

// ID returns the engine's id, made with its store, and the epoch, which counts its starts.
func (e *Engine) ID() (string, uint64) { return e.from.engine, e.from.epoch }

// Traffic returns what the engine and the dispatcher beside it have put on the bus since Open.
func (e *Engine) Traffic() Traffic { return e.wire.traffic() }

func (e *Engine) stopped() bool {
	select {
	case <-e.stopping:
		return true
	default:
		return false
	}
}

func (e *Engine) rejected(topic string, err error) {
	e.log.Warn("an envelope cannot be read; it is kept on the rejected topic", "topic", topic, "error", err)
	if e.hooks.Rejected != nil {
		e.hooks.Rejected(topic, err)
	}
}

// committed runs after each commit, on the writer's goroutine.
func (e *Engine) committed(c committed) {
	e.lanes.committed(c)
	e.jobs.committed(c)
	e.replayer.committed(c)
	if e.pruner != nil {
		e.pruner.committed(c)
	}
	e.KeyRing.committed(c)
	e.news.tell()
	if n := len(c.events); e.hooks.Committed != nil && n > 0 {
		e.hooks.Committed(CommitInfo{Seq: c.events[n-1].Seq, Events: n, Writes: c.writes(), Took: c.took})
	}
}
