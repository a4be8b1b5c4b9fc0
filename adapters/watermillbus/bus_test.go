package watermillbus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/watermillbus"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(*testing.T) ports.Bus {
	transport := gochannel.New()

	return watermillbus.New(transport, transport, watermillbus.Options{Local: true})
}

func TestLeaks(t *testing.T) { portstest.BusLeaks(t, open) } //nolint:paralleltest // it would see the goroutines of others

func TestConformance(t *testing.T) {
	t.Parallel()
	portstest.Bus(t, open)
}

func TestLocal(t *testing.T) {
	t.Parallel()
	portstest.BusLocal(t, open)
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	portstest.BusConcurrency(t, 64, open)
}

// run starts b and returns what ends and joins it.
func run(t *testing.T, b ports.Bus) (end func() error) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- b.Run(ctx) }() // joined by end

	<-b.Running()

	return func() error {
		cancel()

		return <-ended
	}
}

// In a bubble the time that passes is exactly the pauses: 50 ms, 100, 200, ... and no more than a second each.
func TestPausesBeforeItDeliversAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, start := open(t), time.Now()

		var at []time.Duration

		handled := make(chan struct{})

		bus.Handle("topic", func(context.Context, ports.Envelope) error {
			at = append(at, time.Since(start))
			switch {
			case len(at) == 3:
				panic("a panic counts as an error")
			case len(at) < 8:
				return errors.New("store unavailable")
			}

			close(handled)

			return nil
		})

		end := run(t, bus)
		if err := bus.Publish(t.Context(), "topic", ports.Envelope{ID: "1"}); err != nil {
			t.Fatal(err)
		}

		<-handled

		if err := end(); err != nil {
			t.Errorf("Run = %v", err)
		}

		want := "[0s 50ms 150ms 350ms 750ms 1.55s 2.55s 3.55s]"
		if got := fmt.Sprint(at); got != want {
			t.Errorf("delivered at %s, want %s", got, want)
		}
	})
}

// A handler that still needs time after the end gets it: Watermill waits for handlers with locks held, and a bubble whose
// goroutine waits for a lock stands still for ever. What comes meanwhile is refused, without a busy loop.
func TestStopsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, inside := open(t), make(chan struct{}, 100)

		bus.Handle("slow", func(context.Context, ports.Envelope) error {
			inside <- struct{}{}

			time.Sleep(time.Hour) // fake time: a handler that does not heed its context

			return nil
		})
		bus.Handle("idle", func(context.Context, ports.Envelope) error { return nil })

		end := run(t, bus)
		if err := bus.Publish(t.Context(), "slow", ports.Envelope{ID: "1"}, ports.Envelope{ID: "2"}); err != nil {
			t.Fatal(err)
		}

		<-inside
		<-inside

		start := time.Now()

		time.AfterFunc(time.Minute, func() {
			if err := bus.Publish(t.Context(), "slow", ports.Envelope{ID: "late"}); err != nil {
				t.Errorf("publish while handlers are under way: %v", err)
			}
		})

		if err := end(); err != nil {
			t.Errorf("Run = %v", err)
		}

		if took := time.Since(start); took != time.Hour || len(inside) != 0 {
			t.Errorf("stopped after %s with %d late handlers, want 1h and none", took, len(inside))
		}
	})
}

func TestCorrelationPassesThroughAHandler(t *testing.T) {
	t.Parallel()

	transport := gochannel.New()
	bus := watermillbus.New(transport, transport, watermillbus.Options{})

	third, err := transport.Subscribe(t.Context(), "third")
	if err != nil {
		t.Fatal(err)
	}

	forward := func(to string) ports.Handler {
		return func(ctx context.Context, e ports.Envelope) error {
			if len(e.Meta) != 0 {
				t.Errorf("a handler sees metadata %q, which nobody sent", e.Meta)
			}

			return bus.Publish(ctx, to, ports.Envelope{ID: "to " + to})
		}
	}
	bus.Handle("first", forward("second"))
	bus.Handle("second", forward("third"))

	end := run(t, bus)
	if err := bus.Publish(t.Context(), "first", ports.Envelope{ID: "origin"}); err != nil {
		t.Fatal(err)
	}

	m := <-third
	m.Ack()

	if got := m.Metadata.Get("correlation_id"); got != "origin" {
		t.Errorf("correlation_id = %q, want the id of the first envelope", got)
	}

	if err := end(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestRefusesReservedMetadata(t *testing.T) {
	t.Parallel()

	bus := open(t)
	for _, name := range []string{watermillbus.KeyMetadata, "correlation_id"} {
		err := bus.Publish(t.Context(), "topic", ports.Envelope{ID: "e1", Meta: map[string]string{name: "x"}})

		want := fmt.Sprintf("publish to topic: envelope e1 refused: its metadata has the reserved name %q; use another name", name)
		if err == nil || err.Error() != want {
			t.Errorf("Publish = %v, want %s", err, want)
		}
	}
}

// A transport is a fake that a test can break.
type transport struct {
	messages  map[string]chan *message.Message
	refuse    string
	mu        sync.Mutex
	published []*message.Message
	closed    int
}

func (f *transport) Publish(_ string, messages ...*message.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.published = append(f.published, messages...)

	return nil
}

func (f *transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if topic == f.refuse {
		return nil, errors.New("no such topic")
	}

	out := make(chan *message.Message)

	go func() { // ends with the subscription's context
		defer close(out)

		for {
			select {
			case m, ok := <-f.messages[topic]:
				if !ok {
					return
				}

				out <- m
			case <-ctx.Done():
				return
			}
		}
	}()

	return out, nil
}

func (f *transport) Close() error { f.closed++; return nil }

func TestRunReturnsWhenASubscriptionCannotBeMade(t *testing.T) {
	t.Parallel()

	broken := &transport{refuse: "second"}
	bus := watermillbus.New(broken, broken, watermillbus.Options{})

	for _, topic := range []string{"first", "second", "third"} {
		bus.Handle(topic, func(context.Context, ports.Envelope) error { return nil })
	}

	if err := bus.Run(t.Context()); err == nil || err.Error() != "subscribe to topic second: no such topic" {
		t.Errorf("Run = %v, want the error of the second subscription", err)
	}

	if broken.closed != 2 {
		t.Errorf("closed %d times, want publisher and subscriber once each", broken.closed)
	}
}

func TestRunReturnsWhenASubscriptionIsLost(t *testing.T) {
	t.Parallel()

	lost := make(chan *message.Message)
	broken := &transport{messages: map[string]chan *message.Message{"second": lost}}
	bus := watermillbus.New(broken, broken, watermillbus.Options{})

	for _, topic := range []string{"first", "second"} {
		bus.Handle(topic, func(context.Context, ports.Envelope) error { return nil })
	}

	ended := make(chan error, 1)
	go func() { ended <- bus.Run(t.Context()) }() // joined below

	<-bus.Running()
	close(lost)

	want := "serve topic second: its subscription ended, though nobody here ended it; see the transport's log"
	if err := <-ended; err == nil || err.Error() != want {
		t.Errorf("Run = %v, want %s", err, want)
	}
}

// Kafka's subscriber copies a refused message for its next delivery, so that message must be as it came.
func TestHandlingLeavesTheMessageAsItIs(t *testing.T) {
	t.Parallel()

	incoming := make(chan *message.Message)
	fake := &transport{messages: map[string]chan *message.Message{"topic": incoming}}
	bus := watermillbus.New(fake, fake, watermillbus.Options{})

	bus.Handle("topic", func(_ context.Context, e ports.Envelope) error {
		if e.Key != "slot" || len(e.Meta) != 1 || e.Meta["a"] != "b" {
			t.Errorf("arrived with key %q and meta %q", e.Key, e.Meta)
		}

		return errors.New("refused")
	})

	end := run(t, bus)
	m := message.NewMessage("1", nil)
	m.Metadata = message.Metadata{watermillbus.KeyMetadata: "slot", "a": "b"}

	incoming <- m
	<-m.Nacked()

	if len(m.Metadata) != 2 {
		t.Errorf("metadata is %q after a handler, want it unchanged", m.Metadata)
	}

	if err := end(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestHandlePanicsOnMistakes(t *testing.T) {
	t.Parallel()

	bus := open(t)
	nothing := func(context.Context, ports.Envelope) error { return nil }
	bus.Handle("topic", nothing)
	mustPanic(t, func() { bus.Handle("topic", nothing) })

	end := run(t, bus)
	mustPanic(t, func() { bus.Handle("other", nothing) })

	if err := end(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()

	defer func() {
		if recover() == nil {
			t.Error("did not panic")
		}
	}()

	f()
}
