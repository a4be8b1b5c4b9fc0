package portstest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/ports"
)

// stopWaits ends Run's context while a handler is under way, which must see its own end, and then hold Run until it returns.
func stopWaits(t *testing.T, bus ports.Bus) {
	t.Helper()

	topic := newTopic()
	inside, told, leave := make(chan struct{}), make(chan struct{}), make(chan struct{})

	var (
		once sync.Once
		left atomic.Bool
	)

	bus.Handle(topic, func(ctx context.Context, _ ports.Envelope) error {
		once.Do(func() {
			close(inside)
			<-ctx.Done()
			close(told)
			<-leave
			left.Store(true)
		})

		return nil
	})

	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- bus.Run(ctx) }() // ends with end, joined below

	receive(t, bus.Running(), "the bus to run")
	publish(t, bus, topic, newEnvelopes(1)...)
	receive(t, inside, "the handler to begin")
	end()
	receive(t, told, "the handler's context to end")

	select {
	case err := <-ended:
		t.Errorf("Run returned (%v) while a handler was under way", err)
	case <-time.After(20 * time.Millisecond): // there is no signal for what must not happen
	}

	close(leave)

	if err := receive(t, ended, "Run to return"); err != nil {
		t.Errorf("Run = %v, want nil after its context has ended", err)
	}

	if !left.Load() {
		t.Error("Run returned before the handler did")
	}
}

func refusesAfterEnd(t *testing.T, bus ports.Bus) {
	t.Helper()

	topic := newTopic()
	bus.Handle(topic, func(context.Context, ports.Envelope) error { return nil })
	startBus(t, bus)()

	if err := bus.Publish(t.Context(), topic, newEnvelopes(1)...); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("Publish after Run has ended = %v, want ErrClosed", err)
	}
}

func heedsContext(t *testing.T, bus ports.Bus) {
	t.Helper()
	startBus(t, bus)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := bus.Publish(ctx, newTopic(), newEnvelopes(1)...); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with an ended context = %v, want context.Canceled", err)
	}
}

// startBus runs bus, waits until it runs, and returns a function that ends it and checks that Run returns nil. The test's end
// does the same.
func startBus(t *testing.T, bus ports.Bus) (stop func()) {
	t.Helper()

	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- bus.Run(ctx) }() // joined by stop

	var once sync.Once

	stop = func() {
		once.Do(func() {
			end()

			if err := receive(t, ended, "Run to return"); err != nil {
				t.Errorf("Run = %v, want nil after its context has ended", err)
			}
		})
	}
	t.Cleanup(stop)
	receive(t, bus.Running(), "the bus to run")

	return stop
}

// handleInto hands each envelope to a test that receives from into.
func handleInto(into chan<- ports.Envelope) ports.Handler {
	return func(ctx context.Context, e ports.Envelope) error {
		select {
		case into <- e:
		case <-ctx.Done():
		}

		return nil
	}
}

func publish(t *testing.T, bus ports.Bus, topic string, envelopes ...ports.Envelope) {
	t.Helper()

	if err := bus.Publish(t.Context(), topic, envelopes...); err != nil {
		t.Errorf("publish: %v", err)
	}
}

// receive returns the next value from a channel, or stops the test. what completes "waited for".
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()

	select {
	case v := <-from:
		return v
	case <-time.After(busPatience):
		t.Fatalf("waited for %s, in vain", what)

		panic("not reached")
	}
}
