package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// listen registers a webhook of its own URL, named for what it asked for.
func (b *bench) listen(types ...string) {
	b.t.Helper()
	b.register(engine.NewWebhook{URL: "https://listener.example/" + strings.Join(types, "+"), EventTypes: types, Schedule: []time.Duration{}})
}

// heard counts what arrived at listeners, by path and event type.
func (b *bench) heard() map[string]int {
	b.t.Helper()
	out := map[string]int{}
	for _, r := range b.caller.Requests() {
		if path, ok := strings.CutPrefix(r.URL, "https://listener.example/"); ok {
			var body struct {
				Type string `json:"type"`
			}
			if err := json.Unmarshal(r.Body, &body); err != nil {
				b.t.Fatalf("body %s: %v", r.Body, err)
			}
			out[path+": "+body.Type]++
		}
	}
	return out
}

func (b *bench) wantHeard(want map[string]int) {
	b.t.Helper()
	if got := b.heard(); !maps.Equal(got, want) {
		b.t.Errorf("listeners were told %v, want %v", got, want)
	}
}

// TestGoneIsTold: a 410 disables the webhook, and who asked for it by name or prefix hears of that and of the call, in its own words; who asked
// for everything does not.
func TestGoneIsTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.caller.Script(receiver, status(410))
		w := b.invoices(engine.NewWebhook{})
		b.listen("*")
		b.listen("webhook.disabled")
		b.listen("webhook.*")
		b.listen("call.*", "webhook.failing")
		m := b.publish(`1`)
		pass(time.Second)
		b.wantHeard(map[string]int{
			"*: invoice.paid": 1, "webhook.disabled: webhook.disabled": 1, "webhook.*: webhook.disabled": 1, "call.*+webhook.failing: call.failed": 1,
		})
		for _, r := range b.caller.Requests() {
			if strings.HasSuffix(r.URL, "call.*+webhook.failing") {
				for _, part := range []string{w.ID, m.ID, `"webhook gone"`, `"lastStatus":410`, `"invoice.paid"`} {
					if !strings.Contains(string(r.Body), part) {
						t.Errorf("%s does not hold %s", r.Body, part)
					}
				}
			}
		}
		b.publish(`2`)
		pass(time.Second)
		if c := b.callsOf(w.ID)[0]; c.State != "skipped" || c.Reason != "webhook disabled" {
			t.Errorf("a message to the disabled webhook is %s (%s)", c.State, c.Reason)
		}
	})
}

func (b *bench) callsOf(webhook string) (out []engine.Call) {
	b.t.Helper()
	for _, c := range b.calls() {
		if c.Webhook == webhook {
			out = append(out, c)
		}
	}
	return out
}

// TestDisabledAfterFiveDaysWithoutSuccess: at the first failure after them, with its message; and a success in between begins anew.
func TestDisabledAfterFiveDaysWithoutSuccess(t *testing.T) {
	t.Parallel()
	for _, success := range []int{-1, 100} { // the hour of it
		t.Run(fmt.Sprint("success in hour ", success), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t, func(o *engine.Options) { o.NoBreaker = true })
				defer b.close()
				w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
				b.listen("webhook.disabled")
				began := time.Now()
				b.caller.Respond(func(r ports.Request) portstest.ScriptedReply {
					if r.URL != receiver || time.Since(began) == time.Duration(success)*time.Hour {
						return status(200)
					}
					return status(503)
				})
				due := 120
				if success >= 0 {
					due += success + 1 // it is failing since the hour after
				}
				for hour := range due {
					b.publish(`1`)
					pass(0)
					if w := b.hook(w.ID); !w.Enabled || success != hour && w.Failing == nil || success == hour && w.Failing != nil {
						t.Fatalf("in hour %d the webhook is enabled %v (%q), failing %+v", hour, w.Enabled, w.DisabledReason, w.Failing)
					}
					pass(time.Hour)
				}
				b.publish(`1`)
				pass(0)
				if w := b.hook(w.ID); w.Enabled || w.DisabledReason != "no success in 120h of attempts" {
					t.Errorf("in hour %d the webhook is enabled %v (%q)", due, w.Enabled, w.DisabledReason)
				}
				b.wantHeard(map[string]int{"webhook.disabled: webhook.disabled": 1})
				b.publish(`1`)
				pass(0)
				if c := b.callsOf(w.ID)[0]; c.State != "skipped" {
					t.Errorf("the next message is %s", c.State)
				}
			})
		})
	}
}

func (b *bench) hook(id string) engine.Webhook {
	b.t.Helper()
	w, err := b.Webhook(context.Background(), "42", id)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// TestAnnouncementsDoNotLoop: two webhooks that hear of failed calls, and fail themselves, are told once of what was not told by them.
func TestAnnouncementsDoNotLoop(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.answer(500)
		b.register(engine.NewWebhook{URL: "https://listener.example/a", EventTypes: []string{"invoice.paid", "call.failed"}, Schedule: []time.Duration{}})
		b.register(engine.NewWebhook{URL: "https://listener.example/b", EventTypes: []string{"call.*"}, Schedule: []time.Duration{}})
		b.publish(`1`)
		pass(30 * 24 * time.Hour)
		b.wantHeard(map[string]int{"a: invoice.paid": 1, "a: call.failed": 1, "b: call.failed": 1})
		b.wantStates(map[string]int{"failed: schedule used up": 3})
	})
}

// TestTestCall shows the answer, and ends with its one attempt.
func TestTestCall(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 500, 410} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.invoices(engine.NewWebhook{Sequential: code == 200})
				reply := status(code)
				reply.After, reply.Reply.Body = 3*time.Second, []byte("hello")
				b.caller.Script(receiver, reply)
				began := time.Now()
				call, err := b.TestWebhook(t.Context(), "42", w.ID)
				if err != nil {
					t.Fatal(err)
				}
				if call.State.Open() || len(call.Attempts) != 1 || call.Attempts[0].Status != code || call.Attempts[0].Response != "hello" ||
					call.EventType != "webhook.test" || (call.State == "succeeded") != (code == 200) || time.Since(began) != 3*time.Second {
					t.Errorf("after %s the call is %+v", time.Since(began), call)
				}
				pass(48 * time.Hour)
				if n := len(b.caller.Requests()); n != 1 {
					t.Errorf("%d attempts, want 1", n)
				}
			})
		})
	}
}

// TestTestCallWhoseCallerGivesUp: it gets the call as it stands, which ends by itself.
func TestTestCallWhoseCallerGivesUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		reply := status(200)
		reply.After = 10 * time.Second
		b.caller.Script(receiver, reply)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		call, err := b.TestWebhook(ctx, "42", w.ID)
		if err != nil || !call.State.Open() || call.ID == "" {
			t.Errorf("call = %+v, %v; want it open", call.Call, err)
		}
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 1})
		_, err = b.TestWebhook(t.Context(), "42", "wh_unknown")
		wantErr(t, err, ports.ErrNotFound)
		if _, err := b.DisableWebhook(t.Context(), "42", w.ID); err != nil {
			t.Fatal(err)
		}
		_, err = b.TestWebhook(t.Context(), "42", w.ID)
		wantErr(t, err, ports.ErrConflict)
	})
}

// TestReservedTypes: nobody else tells what the engine announces.
func TestReservedTypes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		for _, reserved := range []string{"call.failed", "webhook.failing", "webhook.disabled", "webhook.test"} {
			_, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: reserved, Data: []byte("1")})
			if _, ok := errors.AsType[*engine.InvalidError](err); !ok {
				t.Errorf("publish %s: %v, want it refused", reserved, err)
			}
		}
	})
}
