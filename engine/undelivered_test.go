package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// tell publishes a message of a type, and lets a second pass, in which it is attempted.
func (b *bench) tell(company, eventType, data string) engine.Message {
	b.t.Helper()
	m, err := b.Publish(context.Background(), engine.NewMessage{Company: company, EventType: eventType, Data: json.RawMessage(data)})
	if err != nil {
		b.t.Fatalf("publish %s: %v", eventType, err)
	}
	pass(time.Second)
	return m
}

// mishaps are the webhooks of a story in which everything goes wrong in its own way, by the word that their event types begin with.
type mishaps map[string]engine.Registered

// answerMishaps lets each receiver do what its webhook's name says.
func (b *bench) answerMishaps() {
	b.caller.Respond(func(r ports.Request) portstest.ScriptedReply {
		switch {
		case strings.HasSuffix(r.URL, "/blocked"):
			return portstest.ScriptedReply{Reply: ports.Reply{Class: ports.ClassBlocked, Error: "the address is private"}}
		case strings.HasSuffix(r.URL, "/fine"):
			return status(http.StatusOK)
		}
		return status(http.StatusInternalServerError)
	})
}

// befall tells the whole story: at its end ten of company 42 were not delivered, and one of company 43.
func (b *bench) befall() (hooks mishaps, began time.Time) {
	b.t.Helper()
	ctx, began := context.Background(), time.Now()
	b.answerMishaps()
	hooks = mishaps{}
	for name, n := range map[string]engine.NewWebhook{
		"down": {}, "blocked": {}, "fine": {}, "off": {}, "paused": {}, "filtered": {Filter: "data.amount > 5"},
		"slow": {Schedule: []time.Duration{time.Hour}}, "late": {Schedule: []time.Duration{time.Hour}}, "foreign": {Company: "43"},
	} {
		n.URL, n.EventTypes = receiver+"/"+name, []string{name + ".*"}
		if n.Schedule == nil {
			n.Schedule = []time.Duration{}
		}
		hooks[name] = b.register(n)
	}
	b.must(b.DisableWebhook(ctx, "42", hooks["off"].ID))
	b.must(b.PauseWebhook(ctx, "42", hooks["paused"].ID))
	for _, eventType := range []string{"down.a", "down.b", "blocked.a", "off.a", "paused.a", "slow.a", "slow.b", "late.a", "fine.a", "nobody.asked"} {
		b.tell("42", eventType, `{"amount":1}`)
	}
	b.tell("42", "filtered.a", `{}`)
	b.tell("43", "foreign.a", `{}`)
	if _, err := b.CancelCall(ctx, "42", b.callOf("slow.a")); err != nil {
		b.t.Fatal(err)
	}
	b.must(b.DisableWebhook(ctx, "42", hooks["late"].ID))
	pass(6 * time.Minute)
	return hooks, began
}

func (b *bench) must(_ engine.Webhook, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// callOf is the newest call of an event type.
func (b *bench) callOf(eventType string) string {
	b.t.Helper()
	for _, c := range b.calls() {
		if c.EventType == eventType {
			return c.ID
		}
	}
	b.t.Fatalf("no call of %s", eventType)
	return ""
}

func (b *bench) undelivered(q engine.UndeliveredQuery) engine.UndeliveredPage {
	b.t.Helper()
	page, err := b.Undelivered(context.Background(), q)
	if err != nil {
		b.t.Fatalf("undelivered %+v: %v", q, err)
	}
	return page
}

// lines are rows in short.
func lines(rows []engine.Undelivered) (out []string) {
	for _, u := range rows {
		out = append(out, fmt.Sprintf("%s %s: %s", u.Kind, u.EventType, u.Reason))
	}
	return out
}

// wantUndelivered fails the test unless exactly these rows are found, in this order, and as many are counted.
func (b *bench) wantUndelivered(what string, q engine.UndeliveredQuery, want ...string) {
	b.t.Helper()
	page := b.undelivered(q)
	if diff := cmp.Diff(want, lines(page.Items)); diff != "" || page.Counts.Total != len(want) || page.Next != "" {
		b.t.Errorf("%s: of %d, next %q, differs (-want +got):\n%s", what, page.Counts.Total, page.Next, diff)
	}
}

// The rows of company 42 at the end of the story.
var (
	nobodyAsked   = "unmatched nobody.asked: no webhook asked for it"
	filterFailed  = "skipped filtered.a: filter failed"
	lateCancelled = "cancelled late.a: webhook disabled"
	slowCancelled = "cancelled slow.a: cancelled by hand"
	offSkipped    = "skipped off.a: webhook disabled"
	refused       = "failed blocked.a: target refused"
	downB         = "failed down.b: schedule used up"
	downA         = "failed down.a: schedule used up"
	slowWaits     = "waiting slow.b: to be tried again"
	pausedWaits   = "waiting paused.a: webhook paused"
)

// TestUndeliveredTellsAll: every kind and reason, counted and listed, the parts of the list in their order.
func TestUndeliveredTellsAll(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		hooks, _ := b.befall()
		q := engine.UndeliveredQuery{Company: "42"}
		ended := []string{nobodyAsked, filterFailed, lateCancelled, slowCancelled, offSkipped, refused, downB, downA}
		waiting := []string{slowWaits, pausedWaits}
		if hooks["paused"].ID > hooks["slow"].ID { // waiting ones come by webhook
			waiting = []string{pausedWaits, slowWaits}
		}
		b.wantUndelivered("all", q, append(ended, waiting...)...)

		webhooks := map[string]int{}
		for name, n := range map[string]int{"down": 2, "slow": 2, "filtered": 1, "late": 1, "off": 1, "blocked": 1, "paused": 1} {
			webhooks[hooks[name].ID] = n
		}
		counts := b.undelivered(q).Counts
		for _, one := range []struct {
			what string
			want map[string]int
			got  []engine.Count
		}{
			{"kinds", map[string]int{"failed": 3, "skipped": 2, "cancelled": 2, "waiting": 2, "unmatched": 1}, counts.Kinds},
			{"reasons", map[string]int{
				"schedule used up": 2, "webhook disabled": 2, "target refused": 1, "filter failed": 1, "cancelled by hand": 1,
				"to be tried again": 1, "webhook paused": 1, "no webhook asked for it": 1,
			}, counts.Reasons},
			{"webhooks", webhooks, counts.Webhooks},
			{"companies", nil, counts.Companies},
		} {
			wantCounts(t, one.what, one.want, one.got)
		}
		d := b.undelivered(engine.UndeliveredQuery{Company: "42", EventType: "down.a"}).Items[0]
		call := b.detail(b.callOf("down.a"))
		want := engine.Undelivered{
			Kind: "failed", Company: "42", Message: call.Message, EventType: "down.a", Webhook: hooks["down"].ID, Call: call.ID, URL: receiver + "/down",
			AttemptCount: 1, LastStatus: 500, LastError: "status 500", Reason: "schedule used up", CreatedAt: call.CreatedAt, EndedAt: call.EndedAt,
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("the row of a failed call differs (-want +got):\n%s", diff)
		}
	})
}

// wantCounts compares counts, which begin with the most frequent.
func wantCounts(t *testing.T, what string, want map[string]int, got []engine.Count) {
	t.Helper()
	var all map[string]int
	for i, c := range got {
		if all == nil {
			all = map[string]int{}
		}
		if all[c.Name] = c.Count; i > 0 && c.Count > got[i-1].Count {
			t.Errorf("%s: %v stands behind fewer", what, c)
		}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("%s differ (-want +got):\n%s", what, diff)
	}
}

// TestUndeliveredFilters: each filter alone leaves what it says, and another company is seen only by who asks for it or for all.
func TestUndeliveredFilters(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		hooks, began := b.befall()
		ask := func(change func(*engine.UndeliveredQuery)) engine.UndeliveredQuery {
			q := engine.UndeliveredQuery{Company: "42"}
			change(&q)
			return q
		}
		for _, one := range []struct {
			what string
			set  func(*engine.UndeliveredQuery)
			want []string
		}{
			{"webhook", func(q *engine.UndeliveredQuery) { q.Webhook = hooks["slow"].ID }, []string{slowCancelled, slowWaits}},
			{"event type", func(q *engine.UndeliveredQuery) { q.EventType = "down.b" }, []string{downB}},
			{"prefix", func(q *engine.UndeliveredQuery) { q.EventType = "down.*" }, []string{downB, downA}},
			{"failed", func(q *engine.UndeliveredQuery) { q.Kind = engine.UndeliveredFailed }, []string{refused, downB, downA}},
			{"skipped", func(q *engine.UndeliveredQuery) { q.Kind = engine.UndeliveredSkipped }, []string{filterFailed, offSkipped}},
			{"cancelled", func(q *engine.UndeliveredQuery) { q.Kind = engine.UndeliveredCancelled }, []string{lateCancelled, slowCancelled}},
			{"unmatched", func(q *engine.UndeliveredQuery) { q.Kind = engine.UndeliveredUnmatched }, []string{nobodyAsked}},
			{"reason", func(q *engine.UndeliveredQuery) { q.Reason = "webhook disabled" }, []string{lateCancelled, offSkipped}},
			{"reason of waiting", func(q *engine.UndeliveredQuery) { q.Reason = engine.WaitsForResume }, []string{pausedWaits}},
			{"until", func(q *engine.UndeliveredQuery) { q.Until = began.Add(2 * time.Second) }, []string{downB, downA}},
			{"until a row", func(q *engine.UndeliveredQuery) { q.Until = began.Add(time.Second) }, []string{downA}},
			{"since a row", func(q *engine.UndeliveredQuery) { q.Since = began.Add(9 * time.Second) }, []string{nobodyAsked, filterFailed}},
			{"another company", func(q *engine.UndeliveredQuery) { q.Company = "43" }, []string{"failed foreign.a: schedule used up"}},
			{"a company's webhook from another", func(q *engine.UndeliveredQuery) { q.Company, q.Webhook = "43", hooks["slow"].ID }, nil},
			{"unknown webhook", func(q *engine.UndeliveredQuery) { q.Webhook = "wh_none" }, nil},
			{"longer than any", func(q *engine.UndeliveredQuery) { q.Kind, q.WaitingLonger = engine.UndeliveredWaiting, time.Hour }, nil},
		} {
			b.wantUndelivered(one.what, ask(one.set), one.want...)
		}
		all := b.undelivered(engine.UndeliveredQuery{})
		wantCounts(t, "companies", map[string]int{"42": 10, "43": 1}, all.Counts.Companies)
		if len(all.Items) != 11 || all.Counts.Total != 11 {
			t.Errorf("of all companies %d rows and %d counted, want 11", len(all.Items), all.Counts.Total)
		}
	})
}

// TestUndeliveredWaiting: an open call is listed once it waits for longer than asked for, with what holds it up.
func TestUndeliveredWaiting(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		b.answer(http.StatusInternalServerError)
		q := engine.UndeliveredQuery{Company: "42", WaitingLonger: time.Minute}
		b.publish(`1`)
		pass(time.Minute)
		b.wantUndelivered("after the minute", q)
		pass(time.Millisecond)
		b.wantUndelivered("after more than it", q, "waiting invoice.paid: to be tried again")
		b.wantUndelivered("by default", engine.UndeliveredQuery{Company: "42"})
		b.publishMany(9) // with the first they open the breaker
		pass(2 * time.Minute)
		if page := b.undelivered(q); page.Counts.Total != 10 || page.Items[0].Reason != engine.WaitsForBreaker || page.Items[0].NextAt == nil {
			t.Errorf("behind the breaker: %+v", page)
		}
		b.must(b.PauseWebhook(t.Context(), "42", w.ID))
		wantCounts(t, "paused", map[string]int{"webhook paused": 10}, b.undelivered(q).Counts.Reasons)
	})
}
