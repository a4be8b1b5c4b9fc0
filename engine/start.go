package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posthorn/engine/core"
	"posthorn/engine/filter"
	"posthorn/ports"
)

// Open starts an engine over what the store holds and returns when it takes commands and makes calls.
//
// The order: the store is checked and the epoch opened, in a commit; then the writer, then the bus with its handlers, and when these
// run the lanes. Calls that were open go on from their rows.
//
// ctx bounds the opening alone. When Open fails it has closed what it was given.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, errors.Join(err, abandon(o))
	}
	e, err := prepare(ctx, o)
	if err != nil {
		return nil, errors.Join(err, abandon(o))
	}
	if err := e.start(ctx); err != nil {
		stopped, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(err, e.Shutdown(stopped))
	}
	return e, nil
}

// abandon closes what Open was given before anything has begun.
func abandon(o Options) error {
	err := release(o.Bus)
	if o.Store != nil {
		err = errors.Join(err, o.Store.Close())
	}
	return err
}

// prepare builds the parts and opens the epoch; no goroutine runs yet.
func prepare(ctx context.Context, o Options) (*Engine, error) {
	sealer, err := newSealer(o.Key, o.OldKeys...)
	if err != nil {
		return nil, err
	}
	clock := newClock(o.Wall)
	e := &Engine{
		store: o.Store, bus: o.Bus, checkup: checkup{bus: o.Bus}, log: o.Logger, hooks: o.Hooks,
		defaults: o.Defaults, filters: filter.New(), disableAfter: max(0, o.DisableAfter),
		lanes: newLanes(clock), news: newNews(), stopping: make(chan struct{}), done: make(chan struct{}), busEnded: make(chan struct{}),
	}
	e.hurried, e.hurry = context.WithCancel(context.Background())
	e.writer = newWriter(o.Store, newInputs(o.Random, clock), e.committed)
	e.KeyRing = &KeyRing{store: o.Store, accept: e.writer.accept}
	if err := e.look(ctx); err != nil {
		return nil, err
	}
	e.masterRing = &masterRing{store: o.Store, sealer: sealer, submit: e.writer.submit, save: o.SaveKeys, log: o.Logger}
	started, err := e.openEpoch(ctx)
	if err != nil {
		return nil, err
	}
	e.from = origin{started.Engine, started.Epoch}
	if e.wire, err = newWire(o.Bus, sealer, o.TopicPrefix); err != nil {
		return nil, err
	}
	if !o.NoDispatch {
		e.dispatcher = newDispatcher(e.wire, o.dispatcher(e.rejected), e.from)
	}
	e.pump = &pump{lanes: e.lanes, store: o.Store, writer: e.writer, wire: e.wire, from: e.from, log: o.Logger, wall: o.Wall, noBreaker: o.NoBreaker}
	if e.wire.local && e.dispatcher != nil {
		e.pump.ahead = &backlog{eased: e.lanes.nudge}
		e.dispatcher.ahead = e.pump.ahead
	}
	e.takesInbox = o.Inbox
	if o.PublishEvents {
		e.feed = &feed{engine: e, payloads: o.PublishEventPayloads}
	}
	e.jobs = &jobs{store: o.Store, writer: e.writer, clock: clock, log: o.Logger, wake: make(chan struct{}, 1), master: e.masterRing}
	e.replayer = &replayer{
		plan: replayPlan{store: o.Store, verdict: e.verdict}, writer: e.writer, log: o.Logger, wake: make(chan struct{}, 1),
	}
	if o.Retention > 0 {
		e.pruner = &pruner{
			store: o.Store, writer: e.writer, clock: clock, log: o.Logger, keep: o.Retention, published: o.PublishEvents,
			time: pruneTime{stopped: e.before},
		}
	}
	return e, nil
}

// openEpoch checks the store and writes EngineStarted. A new store gets a mark that only this key opens; an old one must open.
func (e *Engine) openEpoch(ctx context.Context) (core.EngineStarted, error) {
	var started core.EngineStarted
	var commit ports.Commit
	err := e.store.View(ctx, func(r ports.Reader) error {
		if err := whole(r); err != nil {
			return fmt.Errorf("open engine: %w", err)
		}
		mark, resealing, err := e.masterRing.resume(r)
		if err != nil {
			return fmt.Errorf("open engine: %w", err)
		}
		commit.Puts = append(commit.Puts, mark...)
		if err := e.writer.resume(r); err != nil {
			return err
		}
		e.before = e.writer.last
		t := turn{writer: e.writer, now: e.writer.tick()}
		b := t.begin(r, nil)
		var d core.Decision
		if d, started, err = core.StartEngine(t.state, b); err != nil {
			return err
		}
		if resealing {
			begun, err := core.RotateMasterKey(t.state)
			if err != nil {
				return err
			}
			d.Events = append(d.Events, begun.Events...)
		}
		if err := t.fold(b, nil, d); err != nil {
			return err
		}
		rest, err := t.commit()
		commit.Entries, commit.Puts, commit.Deletes = rest.Entries, append(commit.Puts, rest.Puts...), rest.Deletes
		e.writer.seq, e.writer.last = t.seq, t.now
		return err
	})
	if err != nil {
		return started, err
	}
	if err := e.store.Apply(ctx, commit); err != nil {
		return started, fmt.Errorf("open engine: write the start: %w", err)
	}
	e.writer.lastSeen.Store(e.writer.seq)
	return started, nil
}

// resume takes up the log's end: the next seq, and the time that no event may come before.
func (w *writer) resume(r ports.Reader) error {
	last, err := r.LastSeq()
	if err != nil || last == 0 {
		return err
	}
	w.seq = last
	for entry, err := range r.Entries(last - 1) {
		if err != nil {
			return err
		}
		recorded, err := w.codec.Decode(entry)
		if err != nil {
			return err
		}
		// A millisecond later, for ids grow only within one run: this one must not begin in the other's last millisecond.
		w.last = recorded[len(recorded)-1].At.Add(time.Millisecond)
		w.inputs.clock.notBefore(w.last)
	}
	return nil
}

// start runs the goroutines, each owned by a WaitGroup of the engine's and joined by stop.
func (e *Engine) start(ctx context.Context) error {
	feed, stopPump := context.WithCancel(context.Background())
	carry, stopBus := context.WithCancel(context.Background())
	e.stopPump, e.stopBus = stopPump, stopBus

	e.writing.Go(e.writer.run)
	if e.dispatcher != nil {
		e.bus.Handle(e.wire.tasks(), e.dispatcher.handle)
	}
	e.bus.Handle(e.wire.outcomes(e.from.engine), e.handleOutcomes)
	if e.takesInbox {
		e.bus.Handle(e.inbox(), e.handleInbox)
	}
	e.carrying.Go(func() {
		defer close(e.busEnded)
		e.busErr = e.bus.Run(carry)
	})
	select {
	case <-e.bus.Running():
	case <-e.busEnded:
		return fmt.Errorf("open engine: the bus has ended: %w", e.busErr)
	case <-ctx.Done():
		return fmt.Errorf("open engine: the bus is not running: %w", ctx.Err())
	}
	if err := e.wakeLanes(); err != nil {
		return err
	}
	if e.feed != nil {
		if err := e.feed.resume(ctx); err != nil {
			return err
		}
	}
	e.feeding.Go(func() { e.pump.run(feed) })
	e.feeding.Go(func() { e.jobs.run(feed) })
	e.feeding.Go(func() { e.replayer.run(feed) })
	if e.pruner != nil {
		e.feeding.Go(func() { e.pruner.run(feed) })
	}
	if e.feed != nil {
		e.feeding.Go(func() { e.feed.run(feed) })
	}
	return nil
}

// wakeLanes makes a lane for every webhook that has due rows. It seeks from webhook to webhook and reads one row of each.
func (e *Engine) wakeLanes() error {
	return e.store.View(context.Background(), func(r ports.Reader) error {
		from, to := core.DueRange("")
		for {
			found := false
			for pair, err := range r.Scan(from, to, false) {
				if err != nil {
					return fmt.Errorf("open engine: read due calls: %w", err)
				}
				d, err := core.ParseDue(pair.Key, pair.Value)
				if err != nil {
					return err
				}
				e.lanes.revive(d)
				_, from = core.DueRange(d.Webhook)
				found = true
				break
			}
			if !found {
				return nil
			}
		}
	})
}

// Shutdown stops the engine in order: commands are refused, no call is begun, the attempts under way may finish until ctx ends, their
// outcomes are committed, then bus and store are closed. Attempts that ctx cuts off are made again after the next start; where others
// make them, they may finish all the same, and their outcomes are recorded then. It is idempotent; every call returns when everything has
// stopped.
func (e *Engine) Shutdown(ctx context.Context) error {
	impatient := context.AfterFunc(ctx, e.hurry) // of several callers, the least patient decides
	defer impatient()
	if !e.stops.CompareAndSwap(false, true) {
		<-e.done
		return e.stopErr
	}
	defer close(e.done)
	close(e.stopping)
	e.stopErr = e.stop()
	return e.stopErr
}

// Close is Shutdown without waiting for attempts under way.
func (e *Engine) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return e.Shutdown(ctx)
}

func (e *Engine) stop() error {
	e.writer.refuseAccepts()
	e.stopPump()
	e.feeding.Wait()
	if e.dispatcher != nil {
		e.dispatcher.drain(e.hurried)
		deadline, cancel := context.WithTimeout(context.Background(), leaseMargin)
		defer cancel()
		e.settle(deadline, e.dispatcher.onTheirWay)
	} else {
		e.settle(e.hurried, e.lanes.underWay)
	}
	e.hurry()
	e.stopBus()
	e.carrying.Wait()
	close(e.writer.stop)
	e.writing.Wait()
	e.news.tell()
	err := errors.Join(e.busErr, e.store.Close())
	select {
	case <-e.writer.failed:
		return errors.Join(e.writer.failure, err)
	default:
		return err
	}
}

// settle waits until the outcomes that are still to come are committed: those that our dispatcher has published, or those of all
// flights where others make the attempts. It gives up with ctx, for the bus may have lost some; their attempts are made again.
func (e *Engine) settle(ctx context.Context, left func() int) {
	for {
		news := e.news.wait()
		if left() == 0 {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		case <-e.writer.failed:
			return
		}
	}
}
