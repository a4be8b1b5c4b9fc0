package engine

import (
	"bytes"
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A keptBus keeps what was published, by topic.
type keptBus struct {
	ports.Bus

	mu   sync.Mutex
	kept map[string][]ports.Envelope
}

func (b *keptBus) Publish(_ context.Context, topic string, envelopes ...ports.Envelope) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[topic] = append(b.kept[topic], envelopes...)
	return nil
}

// A tracingCaller notes which goroutine makes an attempt, and takes a second for it.
type tracingCaller struct {
	mu         sync.Mutex
	goroutines []string
}

func (c *tracingCaller) Call(context.Context, ports.Request) ports.Reply {
	stack := make([]byte, 64)
	name, _, _ := bytes.Cut(stack[:runtime.Stack(stack, false)], []byte(" ["))
	c.mu.Lock()
	c.goroutines = append(c.goroutines, string(name))
	c.mu.Unlock()
	time.Sleep(time.Second)
	return ports.Reply{Class: ports.ClassOK, Status: 204}
}

func tracingDispatcher(t *testing.T, caller ports.Caller, own origin) (*dispatcher, *keptBus) {
	t.Helper()
	bus := &keptBus{kept: map[string][]ports.Envelope{}}
	s, err := newSealer(NewKey([KeyBytes]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWire(bus, s, "test")
	if err != nil {
		t.Fatal(err)
	}
	o, err := DispatcherOptions{Bus: bus, Caller: caller}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newDispatcher(w, o, own), bus
}

// ask hands tasks to the dispatcher as the bus does.
func ask(t *testing.T, d *dispatcher, bus *keptBus, calls ...int) {
	t.Helper()
	tasks := make([]task, len(calls))
	for i, n := range calls {
		tasks[i] = task{
			Call: "call_" + strconv.Itoa(n), Message: "msg_1", Attempt: 1, Lease: 1, StartBy: time.Now().Add(startWithin),
			URL: "https://receiver.example/", Timeout: time.Minute, Secret: core.NewSecret([core.SecretBytes]byte{1}),
		}
	}
	on := d.wire.tasks()
	if err := d.wire.publish(t.Context(), on, origin{"eng_1", 1}, "env_2", tasks); err != nil {
		t.Fatal(err)
	}
	if err := d.handle(t.Context(), bus.kept[on][len(bus.kept[on])-1]); err != nil {
		t.Fatal(err)
	}
}

// Attempts that follow each other are made by goroutines that are there already; attempts at the same time each have their own.
func TestAttemptsShareGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := &tracingCaller{}
		d, bus := tracingDispatcher(t, caller, origin{})
		ask(t, d, bus, 1, 2, 3)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if len(caller.goroutines) != 3 {
			t.Fatalf("%d attempts of 3 are under way at once", len(caller.goroutines))
		}
		for n := 4; n < 20; n++ {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			ask(t, d, bus, n)
		}
		d.drain(t.Context())
		used := map[string]struct{}{}
		for _, g := range caller.goroutines {
			used[g] = struct{}{}
		}
		if len(caller.goroutines) != 19 || len(used) != 3 {
			t.Errorf("%d attempts were made by %d goroutines, want 19 by 3", len(caller.goroutines), len(used))
		}
		if n := len(bus.kept[d.wire.outcomes("eng_1")]); n < 17 {
			t.Errorf("%d envelopes of outcomes were published before the drain ended, want at least 17", n)
		}
	})
}

// Within a process nothing is sealed: an envelope that comes again when its attempts have ended is known by its id.
func TestLocalEnvelopeThatComesAgainIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := &tracingCaller{}
		d, bus := tracingDispatcher(t, caller, origin{})
		d.wire.bus, d.wire.local = localKept{bus}, true
		dropped := map[DropReason]int{}
		d.o.Hooks.Dropped = func(why DropReason) { dropped[why]++ }
		ask(t, d, bus, 1, 2)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := d.handle(t.Context(), bus.kept[d.wire.tasks()][0]); err != nil {
			t.Fatal(err)
		}
		d.drain(t.Context())
		if made := len(caller.goroutines); made != 2 || dropped[DroppedReplayed] != 2 {
			t.Errorf("%d attempts, dropped %v; want 2 and 2 as replayed", made, dropped)
		}
	})
}

// What the transport still holds of the engine's life before, the engine beside the dispatcher tasks anew: to make that attempt too would
// repeat it at every restart.
func TestTasksOfTheLifeBeforeAreDropped(t *testing.T) {
	t.Parallel()
	for epoch, want := range map[uint64]int{1: 1, 2: 0} {
		synctest.Test(t, func(t *testing.T) {
			caller := &tracingCaller{}
			d, bus := tracingDispatcher(t, caller, origin{"eng_1", epoch})
			ask(t, d, bus, 1) // of epoch 1
			d.drain(t.Context())
			if made := len(caller.goroutines); made != want {
				t.Errorf("beside epoch %d, %d attempts that epoch 1 tasked were made, want %d", epoch, made, want)
			}
		})
	}
}
