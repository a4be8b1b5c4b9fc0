package engine_test

import (
	"fmt"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// Clocks that are 3 s apart change nothing.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for _, apart := range []time.Duration{-3 * time.Second, 3 * time.Second} {
		t.Run(apart.String(), func(t *testing.T) {
			t.Parallel()
			inFleet(t, func(x *exchange, b *bench) {
				h := x.helper(b.t, b.caller, func(o *engine.DispatcherOptions) {
					o.Wall = func() time.Time { return time.Now().Add(apart) }
				})
				defer h.stop()
				b.many(10)
				b.slowly(14 * time.Second) // a second before the timeout: the lease's margin must do for both
				for i := range 10 {
					b.publish(fmt.Sprint(i))
					pass(time.Second)
				}
				pass(10 * time.Minute)
				b.wantStates(map[string]int{"succeeded": 100})
				b.wantEach(10, 10)
				if _, dropped := h.saw(); len(dropped) > 0 {
					b.t.Errorf("tasks were dropped: %v", dropped)
				}
			})
		})
	}
}

// A clock that is far off drops everything, visibly; when it is set right the calls go on.
func TestClockFarOff(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		clock := &wall{}
		clock.step(time.Minute)
		h := x.helper(b.t, b.caller, func(o *engine.DispatcherOptions) { o.Wall = clock.now })
		defer h.stop()
		b.many(3)
		b.publish(`1`)
		pass(time.Minute)
		if _, dropped := h.saw(); dropped[engine.DroppedLate] < 4 {
			b.t.Errorf("dropped = %v, want all 3 and a probe as late", dropped)
		}
		if err := b.Degraded(b.t.Context()); err == nil {
			b.t.Error("the engine does not say that attempts end without an outcome")
		}
		clock.step(-time.Minute)
		pass(2 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 3})
		wantErr(b.t, b.Degraded(b.t.Context()), nil)
	})
}

// All dispatchers are off for ten minutes: tasks do not pile up, and when one comes back each receiver gets one copy of each message.
func TestAllDispatchersOff(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		b.many(300)
		for i := range 5 {
			b.publish(fmt.Sprint(i))
		}
		pass(10 * time.Minute)
		err := b.Degraded(b.t.Context())
		if err == nil {
			b.t.Error("the engine does not say that nobody makes its attempts")
		}
		wantErr(b.t, b.Ready(b.t.Context()), nil)
		h := x.helper(b.t, b.caller)
		pass(time.Millisecond)
		_, dropped := h.saw()
		const probes = 10 * 2 // one in each lease of 30 s
		if n := dropped[engine.DroppedLate]; n == 0 || n > 1024+probes {
			b.t.Errorf("%d late tasks had piled up, want at most the window and %d probes", n, probes)
		}
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 1500})
		b.wantEach(300, 5)
		h.stop()
		if made, dropped := h.saw(); made != 1500 {
			b.t.Errorf("%d attempts, want 1,500; dropped %v", made, dropped)
		}
		wantErr(b.t, b.Degraded(b.t.Context()), nil)
	})
}

// The transport is absent when the engine starts, and again later: it opens, accepts, says so, and calls when it comes.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x, caller := newExchange(), portstest.NewScriptedCaller()
		x.setAway(true)
		b := x.engine(t, memstore.New()).at(caller)
		defer b.close()
		h := x.helper(t, caller)
		defer h.stop()
		b.many(10)
		wantErr(t, b.Degraded(t.Context()), errAway) // before anything is due
		for range 3 {
			b.publish(`1`)
			pass(5 * time.Minute)
			wantErr(t, b.Ready(t.Context()), nil)
			wantErr(t, b.Degraded(t.Context()), errAway)
			wantErr(t, h.Ready(t.Context()), errAway)
			x.setAway(false)
			pass(10 * time.Second)
			wantErr(t, b.Degraded(t.Context()), nil)
			wantErr(t, h.Ready(t.Context()), nil)
			x.setAway(true)
		}
		x.setAway(false)
		b.wantStates(map[string]int{"succeeded": 30})
		b.wantEach(10, 3)
	})
}

// The transport goes while attempts are under way: their outcomes are published when it is back, however late, and no attempt is repeated
// whose lease has not ended by then.
func TestOutcomesOutliveTheBroker(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller)
		defer h.stop()
		b.many(10)
		b.slowly(5 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		x.setAway(true)
		pass(20 * time.Second)
		x.setAway(false)
		pass(2 * time.Second)
		b.wantStates(map[string]int{"succeeded": 10})
		b.wantEach(10, 1)
	})
}
