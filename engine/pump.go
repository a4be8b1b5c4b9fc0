package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Times of the pump.
const (
	startWithin = 10 * time.Second // a task not begun by then is dropped by the dispatcher
	leaseMargin = 5 * time.Second  // from an attempt's last moment to the arrival of its outcome
	retryPause  = time.Second      // after the store or the bus has refused
)

// A pump brings due calls from the lanes to the bus. It is one goroutine; it ends when its context does.
type pump struct {
	lanes  *lanes
	store  ports.Store
	writer *writer
	wire   *wire
	from   origin
	log    *slog.Logger
	wall   func() time.Time
	ahead  *backlog

	noBreaker bool // no webhook has one
	doubts    bool // it was told that the calls wait
}

func (p *pump) run(ctx context.Context) {
	var looked time.Time
	for ctx.Err() == nil && !p.writer.broken() {
		if p.writer.diskLow.Load() {
			// What could not be recorded must not be attempted. The probe finds out when the disk has room again.
			p.probe(ctx)
			continue
		}
		if now := time.Now(); now.Sub(looked) >= lookAfter {
			if lost := p.lanes.lookAfter(); lost > 0 {
				p.ahead.forget()
				p.suspect(fmt.Errorf("calls wait: %d attempts had no outcome when their lease ended; "+
					"see that dispatchers run, with this transport, prefix and key, and clocks that agree", lost))
			}
			looked = now
		}
		p.trust()
		p.saveBreakers(ctx)
		if p.ahead.room() == 0 && p.lanes.underWay() == 0 {
			p.ahead.forget()
		}
		flights, err := p.lanes.take(p.store, p.ahead.room())
		if err != nil {
			p.log.Error("read due calls", "error", err)
			pause(ctx)
		}
		if len(flights) > 0 {
			p.send(ctx, flights)
			continue
		}
		if most := p.lanes.pause(); most > 0 {
			p.rest(ctx, most)
		}
	}
}

// rest waits until the lanes have news, for a time at the most.
func (p *pump) rest(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-p.lanes.wake:
	case <-timer.C:
	}
}

// pause waits for retryPause, whatever happens, or until ctx ends.
func pause(ctx context.Context) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (p *pump) probe(ctx context.Context) {
	pause(ctx)
	c := &command{probe: true, done: make(chan struct{}), decide: func(*batch) (core.Decision, error) { return core.Decision{}, nil }}
	if err := p.writer.queue(c); err == nil {
		_ = c.wait(ctx) // it fails as long as the disk is low; the writer notes when it is not
	}
}

// send builds the tasks of the flights and publishes them, gathered up to what one envelope holds.
func (p *pump) send(ctx context.Context, flights []*flight) {
	tasks, carried, size := make([]task, 0, len(flights)), make([]*flight, 0, len(flights)), 0
	flush := func() {
		if len(tasks) > 0 {
			p.publish(ctx, tasks, carried)
		}
		tasks, carried, size = nil, nil, 0
	}
	err := p.store.View(ctx, func(r ports.Reader) error {
		for _, f := range flights {
			t, err := p.build(r, f)
			if err != nil {
				p.unbuilt(ctx, f, err)
				continue
			}
			if size += len(t.Body); size > maxGatherBytes {
				flush()
				size = len(t.Body)
			}
			tasks, carried = append(tasks, t), append(carried, f)
		}
		return nil
	})
	if err != nil {
		p.log.Error("build tasks", "error", err)
		p.lanes.putBack(flights...)
		pause(ctx)
		return
	}
	flush()
}

func (p *pump) publish(ctx context.Context, tasks []task, carried []*flight) {
	p.ahead.grow(len(tasks))
	err := p.wire.publish(ctx, p.wire.tasks(), p.from, newEnvelopeID(), tasks)
	if err != nil {
		p.ahead.shrink(len(tasks))
	}
	switch {
	case errors.Is(err, ports.ErrTooLarge) && len(tasks) == 1:
		p.log.Warn("a call ends, for the transport takes no envelope as large as it needs", "call", tasks[0].Call, "error", err)
		p.fail(ctx, carried[0], core.TransportRefused)
	case errors.Is(err, ports.ErrTooLarge):
		for i := range tasks { // it may be one of them
			p.publish(ctx, tasks[i:i+1], carried[i:i+1])
		}
	case err != nil:
		p.lanes.putBack(carried...)
		if ctx.Err() == nil {
			p.suspect(fmt.Errorf("calls wait: tasks cannot be published: %w; they go on by themselves when the transport takes them", err))
		}
		pause(ctx)
	}
}

// suspect tells once what the calls wait for.
func (p *pump) suspect(cause error) {
	p.lanes.suspect(cause)
	if !p.doubts {
		p.doubts = true
		p.log.Warn("one call at a time is tried until there is an outcome", "error", cause)
	}
}

// trust tells once that the calls go on.
func (p *pump) trust() {
	if p.doubts && p.lanes.distrust() == nil {
		p.doubts = false
		p.log.Info("there are outcomes: calls are made again when they are due")
	}
}

// errEnded says that a call needs no attempt.
var errEnded = errors.New("the call needs no attempt")

// build reads what an attempt needs. The snapshot is newer than the flight, so the call's row is in it.
func (p *pump) build(r ports.Reader, f *flight) (task, error) {
	fresh, err := callOf(r, f)
	if err != nil {
		return task{}, err
	}
	call := fresh.Call
	if !call.State.Open() {
		return task{}, errEnded
	}
	to, err := p.target(r, f)
	if err != nil {
		return task{}, err
	}
	body, err := callBody(r, fresh, to.secrets[0].Secret)
	if err != nil {
		return task{}, err
	}
	p.lanes.lease(f, call.AttemptCount+1, time.Now().Add(startWithin+to.timeout+leaseMargin))
	return task{
		Company: call.Company, Call: call.ID, Message: call.Message, Attempt: call.AttemptCount + 1, Lease: f.lease + 1,
		StartBy: p.wall().Add(startWithin), URL: to.url, Timeout: to.timeout, Secret: to.secrets[0].Secret, Older: to.secrets[1:], Header: to.headers,
		Body: body,
	}, nil
}

// callOf returns the call of a flight: the one that its commit left, or what the store has.
func callOf(r ports.Reader, f *flight) (core.FreshCall, error) {
	if f.Fresh != nil {
		return *f.Fresh, nil
	}
	k := core.CallKey(f.Company, f.Call)
	value, err := r.Get(k)
	if err != nil {
		return core.FreshCall{}, fmt.Errorf("read call %s: %w", f.Call, err)
	}
	call, hasData, _, err := core.ParseCall(ports.Pair{Key: k, Value: value})
	return core.FreshCall{Call: call, HasData: hasData}, err
}

// unbuilt deals with a call that cannot be attempted: nothing is to be done for an ended one; one whose content is not kept any more
// fails, visibly; for anything else, which is damage, it is left due and out of the way until the restart.
func (p *pump) unbuilt(ctx context.Context, f *flight, cause error) {
	switch {
	case errors.Is(cause, errEnded):
		p.lanes.release(f)
	case errors.Is(cause, errHeld):
		p.lanes.handBack(f)
	case errors.Is(cause, ports.ErrNotFound):
		p.fail(ctx, f, core.ResourceMissing)
	default:
		p.log.Error("a call cannot be attempted; run `posthorn log verify`", "call", f.Call, "error", cause)
		p.lanes.release(f)
	}
}

// fail ends a call without an attempt.
func (p *pump) fail(ctx context.Context, f *flight, reason core.Reason) {
	err := p.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
		return core.FailCall(b.State, f.Company, f.Call, reason)
	})
	if err != nil {
		p.log.Warn("end a call that cannot be attempted; it is tried again", "call", f.Call, "reason", reason, "error", err)
		p.lanes.putBack(f)
		pause(ctx)
		return
	}
	p.lanes.release(f)
}
