package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// pages follows the cursors to the end, and fails the test where a page after the first counts, or one is too long.
func (b *bench) pages(q engine.UndeliveredQuery) (rows []engine.Undelivered, n int) {
	b.t.Helper()
	for {
		page := b.undelivered(q)
		if n++; len(page.Items) > q.Limit || (page.Counts == nil) != (n > 1) {
			b.t.Errorf("page %d has %d rows, counts %v", n, len(page.Items), page.Counts)
		}
		rows = append(rows, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return rows, n
		}
		if n == 20 {
			b.t.Fatalf("the pages of %+v do not end", q)
		}
	}
}

// TestUndeliveredPages: however long the pages, each row comes once and in the one order, with filters and of all companies too.
func TestUndeliveredPages(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.befall()
		for what, q := range map[string]engine.UndeliveredQuery{
			"of one company": {Company: "42"}, "of all": {}, "failed": {Company: "42", Kind: engine.UndeliveredFailed},
			"by reason": {Reason: "webhook disabled"},
		} {
			want := b.undelivered(q).Items
			for limit := 1; limit <= len(want)+1; limit++ {
				q.Limit = limit
				got, n := b.pages(q)
				if diff := cmp.Diff(want, got); diff != "" || n > len(want)/limit+1 {
					t.Errorf("%s, %d at a time, in %d pages, differ (-want +got):\n%s", what, limit, n, diff)
				}
			}
		}
		counted := b.undelivered(engine.UndeliveredQuery{Company: "42", CountOnly: true})
		if counted.Counts.Total != 10 || counted.Items != nil || counted.Next != "" {
			t.Errorf("only counted: %+v", counted)
		}
		again := b.undelivered(engine.UndeliveredQuery{Company: "42", CountOnly: true, Cursor: b.undelivered(engine.UndeliveredQuery{Limit: 1}).Next})
		if again.Counts == nil || again.Counts.Total != 10 || again.Items != nil {
			t.Errorf("counted from a cursor on: %+v, want all counted", again)
		}
	})
}

// TestUndeliveredPagesAreBounded: a page after the first looks at 10,000 rows, then leaves the rest to the next.
func TestUndeliveredPagesAreBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		ctx := context.Background()
		publish := func(eventType string, n int) {
			for range n {
				if _, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: eventType, Data: []byte(`1`)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, n := range []int{10_050, 1, 0} {
			publish("rare", 1)
			publish("frequent", n)
		}
		rows, n := b.pages(engine.UndeliveredQuery{Company: "42", EventType: "rare", Limit: 1})
		if len(rows) != 3 || n != 3 {
			t.Errorf("%d rows in %d pages, want 3 in 3", len(rows), n)
		}
		page := b.undelivered(engine.UndeliveredQuery{Company: "42", EventType: "rare", Limit: 1})
		page = b.undelivered(engine.UndeliveredQuery{Company: "42", EventType: "rare", Limit: 2, Cursor: page.Next})
		if len(page.Items) != 1 || page.Next == "" {
			t.Errorf("a page behind which 10,050 others lie has %d rows, next %q", len(page.Items), page.Next)
		}
	})
}

// TestUndeliveredUntilDelivered: a retry stands for its call, and what was delivered at last is listed no more: by a retry, by a success
// that came late, or by a replay.
func TestUndeliveredUntilDelivered(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		ctx, q := context.Background(), engine.UndeliveredQuery{Company: "42"}
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		first := b.calls()[0].ID
		b.wantUndelivered("failed", q, "failed invoice.paid: schedule used up")
		again := b.retry(first)
		b.wantUndelivered("retried twice", q, "failed invoice.paid: schedule used up")
		if u := b.undelivered(q).Items[0]; u.Call != again {
			t.Errorf("call %s is listed, want its retry %s, not %s", u.Call, again, first)
		}
		b.answer(http.StatusOK)
		b.retry(again)
		b.wantUndelivered("delivered at last", q)

		b.caller.Respond(func(ports.Request) portstest.ScriptedReply {
			reply := status(http.StatusOK)
			reply.After = 10 * time.Second
			return reply
		})
		b.publish(`2`)
		pass(time.Second)
		if _, err := b.CancelCall(ctx, "42", b.calls()[0].ID); err != nil {
			t.Fatal(err)
		}
		b.wantUndelivered("cancelled under way", q, "cancelled invoice.paid: cancelled by hand")
		pass(10 * time.Second)
		b.wantUndelivered("answered after all", q)

		b.tell("42", "nobody.asked", `3`)
		b.wantUndelivered("unmatched", q, nobodyAsked)
		b.register(engine.NewWebhook{EventTypes: []string{"nobody.*"}})
		b.replay(engine.NewReplay{Mode: core.ReplayMatch, Query: engine.ReplayQuery{EventType: "nobody.asked"}})
		pass(time.Minute)
		b.wantUndelivered("matched later", q)
	})
}

// retry makes a call again, and returns the new one when it was attempted.
func (b *bench) retry(id string) string {
	b.t.Helper()
	c, err := b.RetryCall(context.Background(), "42", id)
	if err != nil {
		b.t.Fatal(err)
	}
	pass(time.Second)
	return c.ID
}

func TestUndeliveredIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		for field, q := range map[string]engine.UndeliveredQuery{
			"kind":      {Kind: "lost"},
			"eventType": {EventType: "a..b"},
			"waiting":   {WaitingLonger: -time.Second},
			"limit":     {Limit: engine.MaxLimit + 1},
			"cursor":    {Cursor: "?"},
		} {
			_, err := b.Undelivered(t.Context(), q)
			var invalid *core.InvalidError
			if !errors.As(err, &invalid) || invalid.Problems[0].Field != field || strings.Count(invalid.Problems[0].Text, ";") != 2 {
				t.Errorf("%s: %v", field, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.publish(`1`)
		cancel()
		_, err := b.Undelivered(ctx, engine.UndeliveredQuery{})
		wantErr(t, err, context.Canceled)
	})
}
