package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// newIdleWriter returns a writer over store that does not run yet, so that a test can fill one batch.
func newIdleWriter(store ports.Store) *writer {
	return newWriter(store, newInputs(nil, newClock(time.Now)), func(committed) {})
}

// runWriter runs w in the bubble and returns what stops it.
func runWriter(w *writer) (stop func()) {
	ended := make(chan struct{})
	go func() { // ends with stop, which joins it
		defer close(ended)
		w.run()
	}()
	return func() {
		close(w.stop)
		<-ended
	}
}

func queued(t *testing.T, w *writer, decide func(*batch) (core.Decision, error)) *command {
	t.Helper()
	c := &command{decide: decide, queued: time.Now(), done: make(chan struct{})}
	if err := w.queue(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func register(t *testing.T, w *writer) core.Webhook {
	t.Helper()
	n, err := core.NewWebhook{Company: "42", URL: "https://a.example", EventTypes: []string{"*"}}.Check(core.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	var out core.Webhook
	c := queued(t, w, func(b *batch) (d core.Decision, err error) {
		existing, err := b.webhooks("42")
		if err != nil {
			return d, err
		}
		d, out, err = core.RegisterWebhook(b, b.now, n, existing, func(string) core.Sealed { return core.Sealed{Secret: []byte("sealed")} })
		return d, err
	})
	stop := runWriter(w)
	defer stop()
	if err := c.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out
}

// The index is loaded by the first message of a company; if the same batch has changed one of its webhooks just before, the index must
// know: it is not loaded again.
func TestIndexKnowsWhatTheBatchChangedBeforeItWasLoaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		hook := register(t, newIdleWriter(store))
		w := newIdleWriter(store)
		if err := store.View(t.Context(), w.resume); err != nil {
			t.Fatal(err)
		}
		var message core.Message
		publish := func(b *batch) (d core.Decision, err error) {
			routing, err := b.routing("42", core.Verdicts{})
			if err != nil {
				return d, err
			}
			d, message, err = core.Publish(b.State, b, b.now, core.NewMessage{Company: "42", EventType: "a", Data: []byte("1")}, routing)
			return d, err
		}
		queued(t, w, func(b *batch) (core.Decision, error) { return core.DeleteWebhook(b.State, "42", hook.ID) })
		first := queued(t, w, publish)
		stop := runWriter(w)
		defer stop()
		if err := first.wait(t.Context()); err != nil || message.Calls != 0 {
			t.Errorf("message = %+v, %v; want no call for a deleted webhook", message, err)
		}
		if err := queued(t, w, publish).wait(t.Context()); err != nil || message.Calls != 0 {
			t.Errorf("message = %+v, %v; want no call for a deleted webhook, later neither", message, err)
		}
	})
}

func TestTimeOfEventsNeverGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newIdleWriter(memstore.New())
		now := w.tick()
		if now != milli(time.Now()) {
			t.Errorf("tick = %s, want the clock's %s", now, time.Now())
		}
		w.last = now.Add(time.Hour) // as if the clock had been set back by an hour
		if got := w.tick(); got != w.last {
			t.Errorf("tick = %s, want the last event's %s", got, w.last)
		}
		before := w.inputs.ID("x_")
		for range 1000 {
			id := w.inputs.ID("x_")
			if id <= before {
				t.Fatalf("id %s came after %s", id, before)
			}
			before = id
		}
	})
}

// Outcomes go first, but they do not shut accepts out of a batch.
func TestAcceptsGetAQuarterOfABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newIdleWriter(memstore.New())
		batches, order := 0, []string{}
		w.onCommit = func(committed) { batches++ }
		note := func(what string) func(b *batch) (core.Decision, error) {
			return func(b *batch) (core.Decision, error) {
				if batches == 0 {
					order = append(order, what)
				}
				return core.Decision{Events: []core.Event{
					core.KeyUsed{Company: "42", Route: "a", Key: b.ID(""), Answer: what},
					core.MessageUnmatched{MessageRef: core.MessageRef{Message: "m", Company: "42"}},
				}}, nil
			}
		}
		var all []*command
		for range 2000 {
			c := &command{decide: note("outcome"), outcome: &core.Outcome{}, done: make(chan struct{})}
			if err := w.report(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			all = append(all, c, queued(t, w, note("accept")))
		}
		stop := runWriter(w)
		defer stop()
		for _, c := range all {
			_ = c.wait(context.Background())
		}
		accepts := 0
		for _, what := range order {
			if what == "accept" {
				accepts++
			}
		}
		if share := float64(accepts) / float64(len(order)); share < 0.2 || share > 0.3 {
			t.Errorf("%d of %d commands of the first batch are accepts, want about a quarter", accepts, len(order))
		}
	})
}
