package watermillbus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/ThreeDotsLabs/watermill/message"

	"posthorn/adapters/watermillbus"
	"posthorn/ports"
)

// StopHandling ends one topic: the handler under way finishes, its acknowledgement counts, what comes later is not handled here, and
// the rest of the bus goes on.
func TestStopHandlingEndsOneTopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tasks, outcomes := make(chan *message.Message), make(chan *message.Message)
		fake := &transport{messages: map[string]chan *message.Message{"tasks": tasks, "outcomes": outcomes}}
		bus := watermillbus.New(fake, fake, watermillbus.Options{})
		handled, leave := 0, make(chan struct{})

		bus.Handle("tasks", func(context.Context, ports.Envelope) error {
			handled++
			<-leave

			return nil
		})
		bus.Handle("outcomes", func(context.Context, ports.Envelope) error { return nil })

		end := run(t, bus)
		first, second, third := message.NewMessage("1", nil), message.NewMessage("2", nil), message.NewMessage("3", nil)

		tasks <- first

		synctest.Wait()

		stopped := make(chan struct{})

		go func() { // ends with the handler
			defer close(stopped)

			bus.StopHandling("tasks")
		}()

		synctest.Wait()

		tasks <- second // the subscription is still there, for the acknowledgement of the first

		synctest.Wait()

		select {
		case <-stopped:
			t.Error("StopHandling did not wait for the handler under way")
		default:
		}

		close(leave)
		<-stopped
		<-first.Acked()
		<-second.Nacked()

		if err := bus.Publish(t.Context(), "outcomes", ports.Envelope{ID: "3"}); err != nil {
			t.Errorf("publish after one topic was stopped: %v", err)
		}

		outcomes <- third
		<-third.Acked()

		bus.StopHandling("tasks")
		bus.StopHandling("no such topic")

		if err := end(); err != nil || handled != 1 {
			t.Errorf("Run = %v; %d tasks were handled, want 1", err, handled)
		}
	})
}

// A bus whose last topic is stopped publishes until it is ended, and that is no fault.
func TestStopHandlingOfAllTopics(t *testing.T) {
	t.Parallel()

	for name, before := range map[string]bool{"while it runs": false, "before it runs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var log bytes.Buffer

			fake := &transport{}
			bus := watermillbus.New(fake, fake, watermillbus.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			bus.Handle("tasks", func(context.Context, ports.Envelope) error { return nil })

			if before {
				bus.StopHandling("tasks")
			}

			end := run(t, bus)
			bus.StopHandling("tasks")

			if err := bus.Publish(t.Context(), "outcomes", ports.Envelope{ID: "1"}); err != nil {
				t.Errorf("publish after the last topic was stopped: %v", err)
			}

			if err := end(); err != nil {
				t.Errorf("Run = %v", err)
			}

			if len(fake.published) != 1 || log.Len() > 0 {
				t.Errorf("%d messages were published, want 1; the log says %q, want nothing", len(fake.published), &log)
			}
		})
	}
}

func TestHealthIsTheTransports(t *testing.T) {
	t.Parallel()

	away := errors.New("no broker answers")
	for _, want := range []error{nil, away} {
		bus := watermillbus.New(nil, nil, watermillbus.Options{Health: func(context.Context) error { return want }})
		if err := bus.Health(t.Context()); !errors.Is(err, want) {
			t.Errorf("Health = %v, want %v", err, want)
		}
	}

	if err := watermillbus.New(nil, nil, watermillbus.Options{}).Health(t.Context()); err != nil {
		t.Errorf("Health = %v of a transport that has none", err)
	}
}
