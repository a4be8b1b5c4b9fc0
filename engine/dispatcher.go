package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A dispatcher makes the attempts that tasks ask for and publishes their outcomes: beside an engine, or alone in a Dispatcher. It holds
// no state that matters: what it forgets is tasked again when its lease ends.
type dispatcher struct {
	wire *wire
	o    DispatcherOptions
	own  string // the engine that runs beside it; "" for none

	ahead *backlog // of the pump beside it

	slots     chan struct{} // as many as attempts may be under way
	next      chan entered  // hands a task to a worker that has nothing to do
	workers   sync.WaitGroup
	calls     context.Context
	abort     context.CancelFunc // ends the attempts under way
	carry     context.Context    // outlives calls, so that what was answered in time is also reported
	stopCarry context.CancelFunc
	attempts  sync.WaitGroup // and the handlers that may begin some
	gathered  sync.WaitGroup // the goroutines that publish outcomes

	mu       sync.Mutex
	drains   bool
	running  map[attemptKey]struct{}
	epochs   map[string]uint64  // the newest of each engine that was seen
	outboxes map[string]*outbox // by engine
	seen     replays
	sent     map[string]struct{} // envelopes of outcomes on their way to the own engine
}

type attemptKey struct {
	engine  string
	call    string
	attempt int
}

// An entered task has been booked and holds a slot.
type entered struct {
	task task
	from origin
}

func (e entered) key() attemptKey { return attemptKey{e.from.engine, e.task.Call, e.task.Attempt} }

// newDispatcher takes options that have their defaults, and the start of the engine beside it, if there is one: what an earlier start tasked,
// and the bus still brings, that engine tasks anew. It starts no goroutine.
func newDispatcher(w *wire, o DispatcherOptions, own origin) *dispatcher {
	calls, abort := context.WithCancel(context.Background())
	carry, stopCarry := context.WithCancel(context.Background())
	return &dispatcher{
		wire: w, o: o, own: own.engine,
		slots: make(chan struct{}, o.Concurrency), next: make(chan entered), calls: calls, abort: abort, carry: carry, stopCarry: stopCarry,
		running: map[attemptKey]struct{}{}, epochs: map[string]uint64{own.engine: own.epoch}, outboxes: map[string]*outbox{}, sent: map[string]struct{}{},
	}
}

// errDraining refuses tasks, so that the bus brings them to somebody else.
var errDraining = errors.New("the dispatcher is stopping, and takes no more tasks")

// handle takes an envelope of tasks. It acknowledges them when each has a slot, long before they are answered: a transport that waits
// for acknowledgements must not wait for receivers.
//
// Who can write to the topic, and has not the key, gets nothing called or signed by it. What does not open goes to the rejected topic.
// A recorded envelope that comes again is known here as long as its tasks may be begun; then they are too late. Only another dispatcher,
// which has not seen it, may within these seconds make the attempts once more: with the same ids and bytes, to the same receivers, and
// recorded beside the first. That is what a transport that delivers twice can do as well.
func (d *dispatcher) handle(ctx context.Context, e ports.Envelope) error {
	if !d.admit() {
		return errDraining
	}
	defer d.attempts.Done()
	topic := d.wire.tasks()
	tasks, from, err := read[[]task](d.wire, topic, e)
	if err != nil {
		d.ahead.forget()
		d.rejected(topic, err)
		return d.wire.reject(ctx, topic, e)
	}
	if !d.remember(e, tasks) {
		for range tasks {
			d.dropped(DroppedReplayed)
		}
		d.ahead.shrink(len(tasks))
		return nil
	}
	for _, t := range tasks {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			d.forget(e) // the bus brings it again
			return ctx.Err()
		}
		d.begin(entered{t, from})
	}
	return nil
}

// admit counts a handler among what a drain waits for, so that it may begin attempts; a drain that has begun admits none.
func (d *dispatcher) admit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.drains {
		return false
	}
	d.attempts.Add(1)
	return true
}

// begin gives a task that holds a slot to a worker that is idle, or to a new one. There are as many as attempts were ever under way
// at once.
func (d *dispatcher) begin(e entered) {
	if reason := d.enter(e); reason != "" {
		<-d.slots
		d.dropped(reason)
		d.ahead.shrink(1)
		return
	}
	select {
	case d.next <- e:
	default:
		d.workers.Go(func() { d.work(e) })
	}
}

// work makes one attempt after the other until drain has no more. A goroutine for each attempt would grow its stack anew each time,
// which was a fifth of the processor time of an attempt.
func (d *dispatcher) work(e entered) {
	for more := true; more; e, more = <-d.next {
		d.ahead.shrink(1)
		d.attempt(e)
		d.leave(e)
		<-d.slots
		d.attempts.Done()
	}
}

// enter books a task, or says why it is dropped: the engine tasks it again, or has done so. It is asked when the task has its slot, for it
// may have waited for that until it was too late.
func (d *dispatcher) enter(e entered) DropReason {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, runs := d.running[e.key()]; runs {
		return DroppedRunning
	}
	switch {
	case e.from.epoch < d.epochs[e.from.engine]:
		return DroppedOlderEpoch
	case d.o.Wall().After(e.task.StartBy):
		return DroppedLate
	}
	d.epochs[e.from.engine] = e.from.epoch
	d.running[e.key()] = struct{}{}
	d.attempts.Add(1)
	return ""
}

func (d *dispatcher) leave(e entered) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, e.key())
}

// attempt signs, calls once, and hands on what came of it. An attempt that we ended ourselves has no outcome: whether the receiver took it
// is unknown, so it is made again.
func (d *dispatcher) attempt(e entered) {
	t, began := e.task, d.o.Wall()
	reply := d.call(t, began)
	if d.calls.Err() != nil && reply.Class != ports.ClassOK && reply.Status == 0 {
		return
	}
	if d.o.Hooks.Attempted != nil {
		d.o.Hooks.Attempted(AttemptInfo{Engine: e.from.engine, Class: reply.Class, Status: reply.Status, Took: reply.Took})
	}
	outcome := core.Outcome{
		Company: t.Company, Call: t.Call, Attempt: t.Attempt, Lease: t.Lease, Epoch: e.from.epoch,
		StartedAt: began.UTC().Truncate(time.Millisecond), TookMS: reply.Took.Milliseconds(),
		Class: reply.Class, Error: reply.Error, Status: reply.Status, RetryAfter: reply.RetryAfter,
		Response: reply.Body, Truncated: reply.Truncated,
	}
	select {
	case d.outbox(e.from.engine).outcomes <- outcome:
	case <-d.carry.Done(): // the bus takes nothing any more; the attempt is made again
	}
}

// call signs and calls. A Caller that panics has failed this attempt: the process would else end, and end again at every start, with all
// other calls.
func (d *dispatcher) call(t task, now time.Time) (reply ports.Reply) {
	defer func() {
		if p := recover(); p != nil {
			d.o.Logger.Error("the caller panicked", "call", t.Call, "panic", fmt.Sprintf("%.200v", p), "stack", string(debug.Stack()))
			reply = ports.Reply{Class: ports.ClassInternal, Error: "the attempt was broken off: the caller panicked; the dispatcher's log says where"}
		}
	}()
	signature, err := core.Sign(t.secretsAt(now), t.Message, now, t.Body)
	if err != nil {
		return ports.Reply{Class: ports.ClassInternal, Error: err.Error()}
	}
	header := make(map[string]string, ownHeaders+len(t.Header))
	maps.Copy(header, t.Header)
	header["Content-Type"] = "application/json"
	header["User-Agent"] = d.o.UserAgent
	header[core.HeaderID] = t.Message
	header[core.HeaderTimestamp] = strconv.FormatInt(now.Unix(), 10)
	header[core.HeaderSignature] = signature
	return d.o.Caller.Call(d.calls, ports.Request{URL: t.URL, Body: t.Body, Timeout: t.Timeout, Header: header})
}

const ownHeaders = 5 // of every attempt

// drain takes no more tasks, waits for the attempts under way until ctx ends, aborts what is left, and publishes every outcome. It is
// called once.
func (d *dispatcher) drain(ctx context.Context) {
	d.mu.Lock()
	d.drains = true
	d.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		d.abort()
		time.AfterFunc(leaseMargin, d.stopCarry) // harmless when drain has ended before
	})
	defer stop()
	if b, ok := d.wire.bus.(stoppable); ok {
		b.StopHandling(d.wire.tasks()) // what comes now goes to others at once
	}
	d.attempts.Wait()
	close(d.next)
	d.workers.Wait()
	d.closeOutboxes()
	d.gathered.Wait()
	d.abort()
	d.stopCarry()
}

func (d *dispatcher) dropped(reason DropReason) {
	if d.o.Hooks.Dropped != nil {
		d.o.Hooks.Dropped(reason)
	}
}

func (d *dispatcher) rejected(topic string, err error) {
	if d.o.Hooks.Rejected != nil {
		d.o.Hooks.Rejected(topic, err)
	}
}

func newEnvelopeID() string { return ulid.Make().String() }
