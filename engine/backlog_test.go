package engine_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A localBus says of any bus that it carries within this process, whatever it does.
type localBus struct{ ports.Bus }

func (localBus) Local() bool { return true }

// openFaulty opens an engine over a bus that does to envelopes of tasks what fault says at the moment.
func openFaulty(t *testing.T, fault *atomic.Pointer[portstest.BusFault]) (*bench, *portstest.FaultBus) {
	t.Helper()
	var bus *portstest.FaultBus
	b := open(t, withFaults(&bus, func(topic string, _ int) portstest.BusFault {
		if f := fault.Load(); f != nil && strings.HasSuffix(topic, ".tasks") {
			return *f
		}
		return portstest.BusFaithful
	}))
	return b, bus
}

// TestAFloodWaitsInTheLanes: while the dispatcher does not get round to what it was given, the rest of a flood waits where the next company's
// call is next, and goes on as soon as it does.
func TestAFloodWaitsInTheLanes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const flood = 100
		var fault atomic.Pointer[portstest.BusFault]
		b, bus := openFaulty(t, &fault)
		defer b.close()
		b.many(flood)
		b.register(engine.NewWebhook{Company: "43", URL: receiver + "/small"})
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply { return portstest.ScriptedReply{After: time.Second} }) // no outcome wakes the pump
		fault.Store(new(portstest.BusHold))
		b.publish(`1`)
		pass(0)
		if _, err := b.Publish(t.Context(), engine.NewMessage{Company: "43", EventType: "candidate.created", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if n := bus.Published("posthorn.tasks"); n != 1 {
			t.Errorf("%d envelopes were published while nothing of the first was begun, want 1", n)
		}
		fault.Store(nil)
		if _, err := bus.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(0) // no time
		requests := b.caller.Requests()
		if len(requests) != flood+1 {
			t.Fatalf("%d attempts at once, want %d", len(requests), flood+1)
		}
		small := slices.IndexFunc(requests, func(r ports.Request) bool { return r.URL == receiver+"/small" })
		if small >= flood/2 { // among the second 16, unless a goroutine stood still between its turn and its attempt
			t.Errorf("the other company's call is attempt %d of %d", small+1, len(requests))
		}
	})
}

// TestLostTasksMakeRoom: tasks that a bus has lost, though it said that it loses none, hold up nothing once their leases have ended.
func TestLostTasksMakeRoom(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var fault atomic.Pointer[portstest.BusFault]
		b, _ := openFaulty(t, &fault)
		defer b.close()
		b.many(40)
		fault.Store(new(portstest.BusDrop))
		b.publish(`1`)
		pass(time.Second)
		fault.Store(nil)
		pass(10 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 40})
	})
}

// TestTasksBegunElsewhereMakeRoom: nor does what others have begun, of whom the bus said that there are none.
func TestTasksBegunElsewhereMakeRoom(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x := newExchange()
		b := open(t, func(o *engine.Options) { o.Bus = localBus{x.bus()} })
		defer b.close()
		h := x.helper(t, b.caller)
		defer h.stop()
		b.invoices(engine.NewWebhook{})
		for range 100 {
			b.publish(`1`)
			pass(time.Second)
		}
		b.wantStates(map[string]int{"succeeded": 100})
		if attempts, _ := h.saw(); attempts < 20 {
			t.Errorf("others made %d attempts, want many", attempts)
		}
	})
}
