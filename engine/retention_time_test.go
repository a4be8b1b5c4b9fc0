package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// TestRetentionDistrustsJumps: a clock that is a month ahead for a while makes nothing a month old, over a restart neither; what is really over
// still goes, also after a stop of weeks.
func TestRetentionDistrustsJumps(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	bubble(t, func(t *testing.T) {
		clock, disk, caller := &wall{}, memstore.New(), portstest.NewScriptedCaller()
		open := func() *bench {
			return openOn(t, disk, caller, keep(30*day), func(o *engine.Options) { o.Wall = clock.now })
		}
		want := func(b *bench, n int, when string) {
			t.Helper()
			if got := len(b.calls()); got != n {
				t.Errorf("%s %d calls are kept, want %d", when, got, n)
			}
		}
		b := open()
		b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		b.publish(`1`)
		pass(2 * day)
		clock.step(31 * day)
		pass(2 * time.Hour)
		want(b, 1, "while the clock is a month ahead")
		b.publish(`2`)
		b.close()
		b = open()
		pass(2 * time.Hour)
		want(b, 2, "after a restart while it is")
		clock.step(-31 * day)
		pass(day)
		want(b, 2, "after it was put right")
		pass(40 * day)
		want(b, 0, "after the time")
		b.publish(`3`)
		pass(time.Hour)
		b.close()
		pass(60 * day) // nobody runs
		b = open()
		pass(time.Hour)
		want(b, 1, "right after a long stop")
		pass(40 * day)
		want(b, 0, "when that was made up for")
		b.close()
		wantInOrder(t, disk)
	})
}

// TestRetentionOfWideEntries: keys that expired stand in the entries of messages to hundreds of webhooks, one of which is paused. Their step is
// bounded by what it rewrites, and what lies behind goes in its time.
func TestRetentionOfWideEntries(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller(), keep(time.Hour))
		b.many(250)
		held := b.invoices(engine.NewWebhook{})
		if _, err := b.PauseWebhook(context.Background(), "42", held.ID); err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusOK)
		for n := range 100 {
			_, err := b.Publish(context.Background(), engine.NewMessage{
				Company: "42", EventType: "invoice.paid", Data: []byte(`1`), IdempotencyKey: fmt.Sprint(n),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		pass(26 * time.Hour)
		held, behind := b.register(engine.NewWebhook{EventTypes: []string{"behind"}}), 0
		if _, err := b.Publish(context.Background(), engine.NewMessage{Company: "42", EventType: "behind", Data: []byte(`1`)}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Hour)
		for c, err := range b.Calls(context.Background(), engine.CallQuery{Company: "42", Webhook: held.ID}) {
			if err != nil {
				t.Fatal(err)
			}
			if c.EventType == "behind" {
				behind++
			}
		}
		if behind > 0 {
			t.Error("a call behind them is still kept")
		}
		b.close()
		wantVerified(t, disk)
	})
}
