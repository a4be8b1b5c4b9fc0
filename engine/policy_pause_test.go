package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

func TestPausedLaneWaits(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				b := openOn(t, disk, caller)
				hook := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Second}})
				w := b.watched(after(http.StatusInternalServerError, 5*time.Second))
				b.publishMany(2)
				pass(time.Second)
				if _, err := b.PauseWebhook(context.Background(), "42", hook.ID); err != nil {
					t.Fatal(err)
				}
				b.publishMany(3)
				pass(time.Hour) // those under way finish; their retries wait
				if restart {
					b.close()
					b = openOn(t, disk, caller)
					b.publish(`1`)
					pass(time.Hour)
				} else {
					b.publish(`1`)
				}
				if n := w.count(); n != 2 {
					t.Errorf("%d attempts while the webhook is paused, want the 2 that were under way", n)
				}
				b.answer(http.StatusOK)
				resumed := time.Now()
				if _, err := b.ResumeWebhook(context.Background(), "42", hook.ID); err != nil {
					t.Fatal(err)
				}
				pass(0)
				defer b.close()
				b.wantStates(map[string]int{"succeeded": 6})
				for _, c := range b.calls() {
					if c.EndedAt == nil || c.EndedAt.Sub(resumed) > time.Millisecond {
						t.Errorf("call = %+v, want it ended when its webhook was resumed", c)
					}
				}
			})
		})
	}
}

func TestDisabledAndDeletedWhilePausedOrHeldBack(t *testing.T) {
	t.Parallel()
	for _, held := range []string{"paused", "breaker", "rate", "order"} {
		for _, end := range []string{"disable", "delete"} {
			t.Run(held+"/"+end, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					b := open(t)
					defer b.close()
					b.answer(http.StatusInternalServerError)
					n := engine.NewWebhook{Sequential: held == "order", Schedule: []time.Duration{time.Hour}}
					if held == "rate" {
						n.Rate = 0.01
					}
					hook := b.invoices(n)
					if held == "paused" {
						if _, err := b.PauseWebhook(context.Background(), "42", hook.ID); err != nil {
							t.Fatal(err)
						}
					}
					b.publishMany(20)
					pass(time.Second)
					var err error
					if end == "delete" {
						err = b.DeleteWebhook(context.Background(), "42", hook.ID)
					} else {
						_, err = b.DisableWebhook(context.Background(), "42", hook.ID)
					}
					if err != nil {
						t.Fatal(err)
					}
					before := len(b.caller.Requests())
					pass(24 * time.Hour)
					if after := len(b.caller.Requests()); after != before {
						t.Errorf("%d attempts after the end of the webhook", after-before)
					}
					for _, c := range b.calls() {
						if c.State != "cancelled" {
							t.Errorf("call = %+v, want it cancelled", c)
						}
					}
				})
			})
		}
	}
}
