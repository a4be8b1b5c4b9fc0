package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestGoneDisablesTheWebhookAndCancelsItsBacklog(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		b.answer(http.StatusInternalServerError)
		for range 10 {
			b.publish(`1`)
		}
		pass(time.Minute) // all wait for their second attempt
		b.answer(http.StatusGone)
		b.publish(`2`)
		pass(time.Second)
		b.wantStates(map[string]int{"failed: webhook gone": 1, "cancelled: webhook disabled": 10})
		now, err := b.Webhook(context.Background(), "42", w.ID)
		if err != nil || now.Enabled || now.DisabledReason == "" {
			t.Errorf("webhook = %+v, %v; want it disabled with the reason", now, err)
		}
		b.publish(`3`)
		pass(24 * time.Hour)
		b.wantStates(map[string]int{"failed: webhook gone": 1, "cancelled: webhook disabled": 10, "skipped: webhook disabled": 1})
		if n := len(b.caller.Requests()); n != 11 {
			t.Errorf("%d attempts, want 11: none after the 410", n)
		}
	})
}

// endings are the two ways to end a webhook by hand.
var endings = map[string]func(*bench, string) error{
	"cancelled: webhook disabled": func(b *bench, id string) error {
		_, err := b.DisableWebhook(context.Background(), "42", id)
		return err
	},
	"cancelled: webhook deleted": func(b *bench, id string) error { return b.DeleteWebhook(context.Background(), "42", id) },
}

func TestEndedWebhookLosesItsBacklogInSteps(t *testing.T) {
	t.Parallel()
	for state, end := range endings {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				largest := 0
				b := open(t, func(o *engine.Options) {
					o.Hooks.Committed = func(c engine.CommitInfo) { largest = max(largest, c.Events) }
				})
				defer b.close()
				w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
				b.answer(http.StatusInternalServerError)
				for range 1000 {
					b.publish(`1`)
				}
				pass(time.Minute)
				largest = 0
				if err := end(b, w.ID); err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				b.wantStates(map[string]int{state: 1000})
				if largest > 260 {
					t.Errorf("one commit held %d events, want steps of 256", largest)
				}
				attempts := len(b.caller.Requests())
				pass(24 * time.Hour)
				if n := len(b.caller.Requests()); n != attempts {
					t.Errorf("%d attempts came after the end", n-attempts)
				}
			})
		})
	}
}

// A webhook's end and a crash before the job: the lanes know nothing of the end when they wake.
func TestEndedWebhookLosesItsBacklogAfterARestart(t *testing.T) {
	t.Parallel()
	for state, end := range endings {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				faults := portstest.NewFaultStore(disk)
				b := openOn(t, faults, caller)
				w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
				b.answer(http.StatusInternalServerError)
				for range 300 {
					b.publish(`1`)
				}
				pass(time.Minute)
				faults.FailBefore(2, errCrash) // the first step of the job
				if err := end(b, w.ID); err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				_ = b.Close() // it reports the crash
				pass(2 * time.Hour)
				b = openOn(t, disk, caller)
				defer b.close()
				pass(time.Hour)
				b.wantStates(map[string]int{state: 300})
			})
		})
	}
}

func TestEnabledWebhookIsCalledAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		for range 3 {
			if _, err := b.DisableWebhook(t.Context(), "42", w.ID); err != nil {
				t.Fatal(err)
			}
			b.publish(`1`)
			if _, err := b.EnableWebhook(t.Context(), "42", w.ID); err != nil {
				t.Fatal(err)
			}
			b.publish(`2`)
			pass(time.Second)
		}
		b.wantStates(map[string]int{"skipped: webhook disabled": 3, "succeeded": 3})
	})
}

func TestMessageThatNobodyAskedForIsVisible(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		if m := b.publish(`1`); m.Calls != 0 {
			t.Errorf("message = %+v, want no calls", m)
		}
		page, err := b.Events(t.Context(), engine.EventQuery{Type: "MessageUnmatched"})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("events = %+v, %v; want one MessageUnmatched", page, err)
		}
	})
}

func TestMissingResourceFailsAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.invoices(engine.NewWebhook{})
		_, err := b.Publish(t.Context(), engine.NewMessage{
			Company: "42", EventType: "invoice.paid", ResourceType: "candidate", ResourceID: "cand_none",
		})
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		b.wantStates(map[string]int{"failed: resource missing": 1})
		if n := len(b.caller.Requests()); n != 0 {
			t.Errorf("%d attempts, want none", n)
		}
	})
}

func TestRefusedTargetFailsAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply {
			return portstest.ScriptedReply{Reply: ports.Reply{Class: ports.ClassBlocked, Error: "loopback"}}
		})
		b.invoices(engine.NewWebhook{})
		b.publish(`1`)
		pass(time.Second)
		b.wantStates(map[string]int{"failed: target refused": 1})
		if n := len(b.caller.Requests()); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

// many registers n webhooks with a URL each.
func (b *bench) many(n int) {
	b.t.Helper()
	for i := range n {
		b.invoices(engine.NewWebhook{URL: fmt.Sprintf("%s/%d", receiver, i)})
	}
}

// wantEach fails the test unless each of n webhooks was called at least once, and none more often than most says.
func (b *bench) wantEach(n, most int) {
	b.t.Helper()
	called := map[string]int{}
	for _, r := range b.caller.Requests() {
		called[r.URL]++
	}
	for url, times := range called {
		if times > most {
			b.t.Errorf("%s was called %d times, want at most %d", url, times, most)
		}
	}
	if len(called) != n {
		b.t.Errorf("%d webhooks were called, want %d", len(called), n)
	}
}

func TestPlanOfAThousandWebhooks(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.many(1000)
		if m := b.publish(`1`); m.Calls != 1000 {
			t.Errorf("message = %+v, want 1,000 calls", m)
		}
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 1000})
		b.wantEach(1000, 1)
	})
}

func TestPlanSurvivesARestart(t *testing.T) {
	t.Parallel()
	for k := 2; k <= 3; k++ { // the first Apply from now is the message's, the next ones continue its plan
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				faults := portstest.NewFaultStore(disk)
				b := openOn(t, faults, caller)
				b.many(600)
				faults.FailAfter(k, errCrash)
				b.publish(`1`)
				pass(time.Minute)
				_ = b.Close() // it reports the crash
				b = openOn(t, disk, caller)
				defer b.close()
				pass(time.Minute)
				b.wantStates(map[string]int{"succeeded": 600})
				b.wantEach(600, 3)
			})
		})
	}
}
