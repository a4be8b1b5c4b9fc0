package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A dispatcher makes the attempts that tasks ask for and publishes their outcomes. It holds no state that matters: what it forgets is
// tasked again when its lease ends.
type dispatcher struct {
	wire      *wire
	caller    ports.Caller
	log       *slog.Logger
	userAgent string
	newID     func() string
	wall      func() time.Time
	rejected  func(topic string, err error)
	dropped   func() // told when a task is dropped because of the drain

	slots     chan struct{} // as many as the engine's window, so that taking tasks never blocks
	next      chan entered  // hands a task to a worker that has nothing to do
	workers   sync.WaitGroup
	calls     context.Context
	abort     context.CancelFunc // ends the attempts under way
	carry     context.Context    // outlives calls, so that what was answered in time is also reported
	stopCarry context.CancelFunc
	attempts  sync.WaitGroup
	outcomes  chan core.Outcome
	gathered  sync.WaitGroup // the goroutine that publishes outcomes

	mu      sync.Mutex
	running map[attemptKey]struct{}
	drains  bool
	epoch   uint64
	aborted int
}

type attemptKey struct {
	call    string
	attempt int
}

// An entered task has been booked and holds a slot.
type entered struct {
	task  task
	epoch uint64
}

func newDispatcher(w *wire, o Options, newID func() string) *dispatcher {
	calls, abort := context.WithCancel(context.Background())
	carry, stopCarry := context.WithCancel(context.Background())
	return &dispatcher{
		wire: w, caller: o.Caller, log: o.Logger, userAgent: o.UserAgent, newID: newID, wall: o.Wall,
		slots: make(chan struct{}, maxWindow), next: make(chan entered), calls: calls, abort: abort, carry: carry, stopCarry: stopCarry,
		outcomes: make(chan core.Outcome, maxWindow), running: map[attemptKey]struct{}{},
	}
}

// start begins publishing outcomes; drain ends it.
func (d *dispatcher) start() { d.gathered.Go(d.publishOutcomes) }

// handle takes an envelope of tasks. It acknowledges them when each has a slot, long before they are answered: a transport that waits
// for acknowledgements must not wait for receivers.
func (d *dispatcher) handle(ctx context.Context, e ports.Envelope) error {
	var tasks []task
	epoch, err := d.wire.read(topicTasks, e, &tasks)
	if err != nil {
		d.rejected(topicTasks, err)
		return d.wire.reject(ctx, topicTasks, e)
	}
	for _, t := range tasks {
		if !d.enter(t, epoch) {
			continue
		}
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			d.leave(t)
			d.attempts.Done()
			return ctx.Err()
		}
		d.begin(entered{t, epoch})
	}
	return nil
}

// begin gives a task to a worker that is idle, or to a new one. There are as many as attempts were ever under way at once.
func (d *dispatcher) begin(e entered) {
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
		d.attempt(e.task, e.epoch)
		d.leave(e.task)
		<-d.slots
		d.attempts.Done()
	}
}

// enter books a task, or refuses one that is of an older epoch, already running, or too late: the engine tasks it again, or has
// done so.
func (d *dispatcher) enter(t task, epoch uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := attemptKey{t.Call, t.Attempt}
	_, runs := d.running[k]
	if d.drains {
		d.aborted++
		d.dropped()
		return false
	}
	if runs || epoch < d.epoch || d.wall().After(t.StartBy) {
		return false
	}
	d.epoch = epoch
	d.running[k] = struct{}{}
	d.attempts.Add(1)
	return true
}

func (d *dispatcher) leave(t task) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, attemptKey{t.Call, t.Attempt})
}

// attempt signs, calls once, and hands on what came of it. An attempt that we ended ourselves has no outcome: whether the receiver took it
// is unknown, so it is made again.
func (d *dispatcher) attempt(t task, epoch uint64) {
	began := d.wall()
	reply := d.call(t, began)
	if d.calls.Err() != nil && reply.Class != ports.ClassOK && reply.Status == 0 {
		d.mu.Lock()
		d.aborted++
		d.mu.Unlock()
		return
	}
	outcome := core.Outcome{
		Company: t.Company, Call: t.Call, Attempt: t.Attempt, Lease: t.Lease, Epoch: epoch,
		StartedAt: began.UTC().Truncate(time.Millisecond), TookMS: reply.Took.Milliseconds(),
		Class: reply.Class, Error: reply.Error, Status: reply.Status, RetryAfter: reply.RetryAfter,
		Response: reply.Body, Truncated: reply.Truncated,
	}
	select {
	case d.outcomes <- outcome:
	case <-d.carry.Done(): // the bus takes nothing any more; the attempt is made again
	}
}

// call signs and calls. A Caller that panics has failed this attempt: the process would else end, and end again at every start, with all
// other calls.
func (d *dispatcher) call(t task, now time.Time) (reply ports.Reply) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("the caller panicked", "call", t.Call, "panic", fmt.Sprintf("%.200v", p), "stack", string(debug.Stack()))
			reply = ports.Reply{Class: ports.ClassInternal, Error: "the attempt was broken off: the caller panicked; the engine's log says where"}
		}
	}()
	signature, err := core.Sign(t.Secret, t.Message, now, t.Body)
	if err != nil {
		return ports.Reply{Class: ports.ClassInternal, Error: err.Error()}
	}
	return d.caller.Call(d.calls, ports.Request{
		URL: t.URL, Body: t.Body, Timeout: t.Timeout,
		Header: map[string]string{
			"Content-Type":       "application/json",
			"User-Agent":         d.userAgent,
			core.HeaderID:        t.Message,
			core.HeaderTimestamp: strconv.FormatInt(now.Unix(), 10),
			core.HeaderSignature: signature,
		},
	})
}

// publishOutcomes gathers what is there, up to what an envelope holds, and publishes it until the transport takes it.
func (d *dispatcher) publishOutcomes() {
	for o := range d.outcomes {
		gather(func() int { return len(d.outcomes) })
		gathered := append(make([]core.Outcome, 0, min(1+len(d.outcomes), maxGather)), o)
		for size := len(o.Response); len(gathered) < maxGather && size < maxGatherBytes-maxResponse; {
			select {
			case next, ok := <-d.outcomes:
				if !ok {
					d.publishAll(gathered)
					return
				}
				gathered = append(gathered, next)
				size += len(next.Response) + rowBytes/8
				continue
			default:
			}
			break
		}
		d.publishAll(gathered)
	}
}

// maxResponse is the most that a Caller keeps of a response body, for sizing envelopes.
const maxResponse = 16 << 10

func (d *dispatcher) publishAll(outcomes []core.Outcome) {
	for {
		err := d.wire.publish(d.carry, topicOutcomes, d.newID(), outcomes)
		if err == nil || d.carry.Err() != nil {
			return // an outcome that cannot be carried before the end is lost: its attempt is made again
		}
		d.log.Warn("publish outcomes; trying again", "outcomes", len(outcomes), "error", err)
		pause(d.carry)
	}
}

// drain refuses new tasks, waits for the attempts under way until ctx ends, aborts what is left, and publishes every outcome. It is
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
	d.attempts.Wait()
	close(d.next)
	d.workers.Wait()
	close(d.outcomes)
	d.gathered.Wait()
	d.abort()
	d.stopCarry()
}

// withoutOutcome counts the tasks of a drain that will have no outcome: cut off, or dropped.
func (d *dispatcher) withoutOutcome() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.aborted
}
