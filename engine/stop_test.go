package engine_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// slowly makes every attempt take d, and then succeed.
func (b *bench) slowly(d time.Duration) {
	b.caller.Respond(func(ports.Request) portstest.ScriptedReply {
		reply := status(http.StatusOK)
		reply.After = d
		return reply
	})
}

func TestShutdownLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.many(20)
		b.slowly(10 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		began := time.Now()
		if err := b.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("shutdown took %s, want the 9 s that the attempts took", took)
		}
		b = openOn(t, disk, caller)
		defer b.close()
		b.wantStates(map[string]int{"succeeded": 20})
		pass(time.Hour)
		b.wantEach(20, 1)
	})
}

func TestShutdownIsCutOffByItsContext(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.many(20)
		b.slowly(10 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("shutdown took %s, want 2 s", took)
		}
		b = openOn(t, disk, caller)
		defer b.close()
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 20})
		b.wantEach(20, 2)
		for _, c := range b.calls() {
			if c.AttemptCount != 1 {
				t.Errorf("call %s counts %d attempts, want 1: the one that was cut off decided nothing", c.ID, c.AttemptCount)
			}
		}
	})
}

// Close does not wait for a Shutdown that is more patient.
func TestCloseCutsAPatientShutdownOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		b.many(2)
		b.slowly(10 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		began := time.Now()
		var stops sync.WaitGroup
		stops.Go(func() {
			if err := b.Shutdown(context.Background()); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		})
		pass(time.Second)
		b.close()
		stops.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("the stop took %s, want 1 s", took)
		}
	})
}

func TestStoppedEngineRefuses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		b.many(2)
		b.slowly(10 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		var stops sync.WaitGroup
		for range 5 {
			stops.Go(func() {
				if err := b.Shutdown(context.Background()); err != nil {
					t.Errorf("shutdown: %v", err)
				}
			})
		}
		synctest.Wait()
		refused := func() {
			t.Helper()
			_, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)})
			wantErr(t, err, ports.ErrClosed)
			wantErr(t, b.Ready(t.Context()), ports.ErrClosed)
		}
		refused() // while it stops
		if len(b.calls()) != 2 {
			t.Error("calls cannot be read while the engine stops")
		}
		stops.Wait()
		refused()
		_, err := b.CallPage(t.Context(), engine.CallQuery{Company: "42"})
		wantErr(t, err, ports.ErrClosed)
		for _, stop := range []func() error{b.Close, func() error { return b.Shutdown(t.Context()) }, b.Close} {
			if err := stop(); err != nil {
				t.Errorf("stop again: %v", err)
			}
		}
	})
}

func TestCloseRightAfterOpen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		for range 20 {
			openOn(t, disk, caller).close()
		}
		b := openOn(t, disk, caller)
		b.many(1)
		b.publish(`1`)
		b.close()
		b = openOn(t, disk, caller)
		defer b.close()
		pass(time.Hour)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

func TestNothingIsAttemptedThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		faults := portstest.NewFaultStore(memstore.New())
		b := openOn(t, faults, portstest.NewScriptedCaller())
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		faults.FailBefore(1, errCrash)
		_, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)})
		wantErr(t, err, ports.ErrUnknownOutcome)
		select {
		case <-b.Failed():
		default:
			t.Error("Failed is not closed")
		}
		pass(time.Hour)
		if n := len(b.caller.Requests()); n != 1 {
			t.Errorf("%d attempts, want none after the crash", n)
		}
		wantErr(t, b.Close(), errCrash)
	})
}

// A deafBus never runs.
type deafBus struct{ frailBus }

func (*deafBus) Running() <-chan struct{}      { return nil }
func (*deafBus) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// closing notes that a store was closed.
type closing struct {
	ports.Store

	closed bool
}

func (s *closing) Close() error {
	s.closed = true
	return s.Store.Close()
}

// TestOpenThatFailsLeavesNothing: goleak and the bubble's end see to the goroutines.
func TestOpenThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	used := func(t *testing.T) ports.Store {
		disk := memstore.New()
		openOn(t, disk, portstest.NewScriptedCaller()).close()
		return disk
	}
	for name, test := range map[string]struct {
		disk   func(*testing.T) ports.Store
		change func(*engine.Options)
		wait   time.Duration
	}{
		"bus never runs": {change: func(o *engine.Options) { o.Bus = &deafBus{} }, wait: time.Minute},
		"bus fails":      {change: func(o *engine.Options) { o.Bus = &endedBus{} }, wait: time.Minute},
		"no key":         {change: func(o *engine.Options) { o.Key = engine.Key{} }, wait: time.Minute},
		"no key, a real bus": {change: func(o *engine.Options) {
			o.Bus, o.Key = goBus(), engine.Key{}
		}, wait: time.Minute},
		"wrong key":   {disk: used, change: func(o *engine.Options) { o.Key = engine.NewKey([engine.KeyBytes]byte{2}) }, wait: time.Minute},
		"ctx ended":   {change: func(*engine.Options) {}},
		"no write":    {change: func(o *engine.Options) { f := portstest.NewFaultStore(o.Store); f.FailBefore(1, errCrash); o.Store = f }, wait: time.Minute},
		"no caller":   {change: func(o *engine.Options) { o.Caller = nil }, wait: time.Minute},
		"unreachable": {disk: func(*testing.T) ports.Store { return &blind{Store: memstore.New(), shut: true} }, change: func(*engine.Options) {}, wait: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				store := &closing{Store: memstore.New()}
				if test.disk != nil {
					store.Store = test.disk(t)
				}
				o := engine.Options{
					Store: store, Bus: &frailBus{running: make(chan struct{}), broken: make(chan struct{})},
					Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1}),
				}
				test.change(&o)
				ctx, cancel := context.WithTimeout(t.Context(), test.wait)
				defer cancel()
				if e, err := engine.Open(ctx, o); err == nil {
					t.Errorf("open succeeded: %v", e.Close())
				}
				if !store.closed {
					t.Error("the store was not closed")
				}
				if bus, ok := o.Bus.(*frailBus); ok {
					select {
					case <-bus.running:
					default:
						t.Error("the bus was not run, which is how its transport is released")
					}
				}
			})
		})
	}
}

// An endedBus ends before it runs.
type endedBus struct{ frailBus }

func (*endedBus) Running() <-chan struct{}  { return nil }
func (*endedBus) Run(context.Context) error { return errCrash }
