package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"posthorn/ports"
)

// DispatcherOptions of a dispatcher that stands alone. Bus, Caller and Key are required; everything else has a default.
type DispatcherOptions struct {
	// Bus reaches the engines; it is the dispatcher's own from NewDispatcher on, which ends it when it stops, and when NewDispatcher fails.
	Bus ports.Bus
	// Caller makes the attempts. What it refuses to dial is up to its own settings, not the engine's.
	Caller ports.Caller
	// Key is that of the engines, and seals outcomes; OldKeys open tasks beside it while the engines move to another one. What opens under none
	// of them is not attempted.
	Key     Key
	OldKeys []Key

	// Logger takes what an operator should know; nil discards it. It never gets a secret, a payload or a profile.
	Logger *slog.Logger
	// Concurrency is how many attempts may be under way at once; 0 means 1,024, an engine's window.
	Concurrency int
	// UserAgent of the calls; empty means Posthorn.
	UserAgent string
	// TopicPrefix begins the bus's topic names, as with the engines; empty means posthorn.
	TopicPrefix string
	// Wall is the wall clock; nil means time.Now. Attempts are signed by it, and tasks dropped that it says are late.
	Wall func() time.Time
	// Hooks are called as things happen.
	Hooks DispatchHooks
}

// DispatchHooks are told what a dispatcher does. Each may be nil, is called from many goroutines at once, and must return quickly.
type DispatchHooks struct {
	// Attempted is called after every attempt that has an outcome.
	Attempted func(AttemptInfo)
	// Dropped is called for every task that is not attempted.
	Dropped func(DropReason)
	// Rejected is called for an envelope that cannot be read; it has been kept on the topic's .rejected twin.
	Rejected func(topic string, err error)
}

// AttemptInfo describes an attempt, without whom it told what.
type AttemptInfo struct {
	Engine string
	Class  ports.Class
	Status int
	Took   time.Duration
}

// A DropReason says why a task was not attempted. The engine tasks it again when its lease ends, if it still wants to.
type DropReason string

// The reasons.
const (
	DroppedLate       DropReason = "late"        // its time to begin has passed: it waited too long, or the clocks are apart
	DroppedOlderEpoch DropReason = "older_epoch" // its engine has been started anew
	DroppedRunning    DropReason = "running"     // the same attempt is under way here
	DroppedReplayed   DropReason = "replayed"    // its envelope has been here before
)

func (o DispatcherOptions) withDefaults() (DispatcherOptions, error) {
	switch {
	case o.Bus == nil, o.Caller == nil:
		return o, errors.New("make dispatcher: Bus and Caller are required; give it a bus on the engines' transport and a caller such as restycaller's")
	case o.Concurrency < 0:
		return o, fmt.Errorf("make dispatcher: concurrency %d is refused: it is how many attempts may be under way; give 1 or more, or 0 for %d",
			o.Concurrency, maxWindow)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency == 0 {
		o.Concurrency = maxWindow
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultAgent
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	return o, nil
}

// A Dispatcher makes attempts for engines that run elsewhere: for all that have its bus, topic prefix and key. It keeps nothing, so any
// number may run, and any may end at any time; what it had under way is tasked again. It is what an engine has beside it, alone.
// All methods are safe for concurrent use.
type Dispatcher struct {
	*dispatcher
	checkup checkup

	runs     sync.Once // Run and Shutdown both run the bus, for that is what releases its transport
	stops    sync.Once
	serving  context.Context
	stopBus  context.CancelFunc
	hurried  context.Context // ended by the least patient of those who stop it
	hurry    context.CancelFunc
	stopping chan struct{}
	drained  chan struct{}
	busEnded chan struct{}
	busErr   error
}

// NewDispatcher returns a dispatcher that does nothing until Run. It starts no goroutine. When it fails it has ended o.Bus.
func NewDispatcher(o DispatcherOptions) (*Dispatcher, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, errors.Join(err, release(o.Bus))
	}
	s, err := newSealer(o.Key, o.OldKeys...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make dispatcher: %w", err), release(o.Bus))
	}
	w, err := newWire(o.Bus, s, o.TopicPrefix)
	if err != nil {
		return nil, errors.Join(err, release(o.Bus))
	}
	d := &Dispatcher{checkup: checkup{bus: o.Bus}, stopping: make(chan struct{}), drained: make(chan struct{}), busEnded: make(chan struct{})}
	d.serving, d.stopBus = context.WithCancel(context.Background())
	d.hurried, d.hurry = context.WithCancel(context.Background())
	rejected := o.Hooks.Rejected
	o.Hooks.Rejected = func(topic string, err error) {
		o.Logger.Warn("an envelope cannot be read; it is kept on the rejected topic", "topic", topic, "error", err)
		if rejected != nil {
			rejected(topic, err)
		}
	}
	d.dispatcher = newDispatcher(w, o, origin{})
	o.Bus.Handle(w.tasks(), d.handle)
	return d, nil
}

// Run makes attempts until Shutdown has stopped the dispatcher, and returns nil; or until the bus ends, and returns its error. When ctx ends,
// Run stops it as a Shutdown without patience does. It is called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	impatient := context.AfterFunc(ctx, func() { _ = d.Shutdown(ctx) })
	defer impatient()
	d.runs.Do(d.carryTasks)
	<-d.busEnded
	// Where the bus has ended by itself, nothing can be reported any more.
	d.hurry()
	_ = d.Shutdown(ctx)
	return d.busErr
}

// carryTasks runs the bus, and returns when it has ended.
func (d *Dispatcher) carryTasks() {
	defer close(d.busEnded)
	if err := d.wire.bus.Run(d.serving); err != nil {
		d.busErr = fmt.Errorf("dispatch: the bus has ended: %w", err)
	}
}

// Shutdown takes no more tasks, lets the attempts under way finish until ctx ends, and publishes their outcomes; then it ends the bus. What
// ctx cuts off is tasked again by its engine. It is idempotent; every call returns when everything has stopped.
func (d *Dispatcher) Shutdown(ctx context.Context) error {
	impatient := context.AfterFunc(ctx, d.hurry)
	defer impatient()
	d.stops.Do(func() {
		close(d.stopping)
		d.drain(d.hurried)
		d.stopBus()
		close(d.drained)
	})
	<-d.drained
	d.runs.Do(d.carryTasks) // it was never run: to run for no time releases the transport
	<-d.busEnded
	return d.busErr
}

// Ready returns nil while tasks are taken, and otherwise why not: the bus does not run yet or cannot reach its transport, or
// the dispatcher is stopping or has stopped (ErrClosed).
func (d *Dispatcher) Ready(ctx context.Context) error {
	select {
	case <-d.stopping:
		return fmt.Errorf("the dispatcher is stopping: %w", ports.ErrClosed)
	default:
	}
	select {
	case <-d.wire.bus.Running():
		return d.checkup.look(ctx)
	default:
		return errors.New("the bus does not run yet; wait a moment")
	}
}

// UnderWay returns how many attempts are being made now.
func (d *Dispatcher) UnderWay() int { return len(d.slots) }
