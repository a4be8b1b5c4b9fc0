package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// breakerEvents lists what the log holds of breakers.
func (b *bench) breakerEvents() (out []string) {
	b.t.Helper()
	after := uint64(0)
	for {
		page, err := b.Events(context.Background(), engine.EventQuery{After: after})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range page.Items {
			var told struct {
				Until core.Stamp `json:"until"`
			}
			switch e.Type {
			case "BreakerOpened":
				if err := json.Unmarshal(e.Data, &told); err != nil {
					b.t.Fatal(err)
				}
				out = append(out, "opened for "+told.Until.Time().Sub(e.At).String())
			case "BreakerClosed":
				out = append(out, "closed")
			}
		}
		if page.Next == "" {
			return out
		}
		if after, err = strconv.ParseUint(page.Next, 10, 64); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestBreakerHoldsBackProbesAndCloses(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				b := openOn(t, disk, caller)
				hook := b.invoices(engine.NewWebhook{InFlight: 1})
				w := b.watched(after(http.StatusInternalServerError, 0))
				began := time.Now()
				b.publishMany(50)
				pass(10 * time.Second)
				if got := w.count(); got != 10 {
					t.Fatalf("%d attempts before the breaker opened, want 10", got)
				}
				if open := b.webhook(hook.ID).Breaker; open == nil || open.Until.Time().Sub(began) != 30*time.Second || !strings.Contains(open.Reason, "10 of 10") {
					t.Errorf("breaker = %+v, want it open for 30 s", open)
				}
				if restart {
					b.close()
					b = openOn(t, disk, caller)
				}
				pass(4 * time.Minute)
				want := []int{30, 90, 210}
				if got := w.since(began)[10:]; !slices.Equal(got, want) {
					t.Errorf("probes after %v s, want %v", got, want)
				}
				b.answer(http.StatusOK)
				pass(24 * time.Hour)
				defer b.close()
				b.wantStates(map[string]int{"succeeded": 50})
				if open := b.webhook(hook.ID).Breaker; open != nil {
					t.Errorf("breaker = %+v after the probe succeeded", open)
				}
				if got := b.breakerEvents(); !slices.Equal(got, []string{"opened for 30s", "opened for 1m0s", "opened for 2m0s", "opened for 4m0s", "closed"}) {
					t.Errorf("events = %v", got)
				}
				wantVerified(t, disk)
			})
		})
	}
}

func TestBreakerCountsOnlyWhatTheReceiverDoes(t *testing.T) {
	t.Parallel()
	for _, class := range []ports.Class{ports.ClassInternal, ports.ClassProxy, ports.ClassBlocked} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.watched(func(ports.Request) portstest.ScriptedReply {
					return portstest.ScriptedReply{Reply: ports.Reply{Class: class, Error: "not the receiver"}}
				})
				b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
				b.publishMany(100)
				pass(time.Second)
				if w.count() != 100 || len(b.breakerEvents()) != 0 {
					t.Errorf("%d attempts, breaker %v; want 100 and none", w.count(), b.breakerEvents())
				}
			})
		})
	}
}

func TestSeedWebhooksAndNoBreaker(t *testing.T) {
	t.Parallel()
	for name, seed := range map[string]bool{"seed": true, "NoBreaker": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t, func(o *engine.Options) { o.NoBreaker = !seed })
				defer b.close()
				w := b.watched(after(http.StatusInternalServerError, 0))
				b.register(engine.NewWebhook{Seed: seed, Schedule: []time.Duration{}})
				for range 20 {
					b.candidate()
				}
				pass(time.Second)
				if w.count() != 20 || len(b.breakerEvents()) != 0 {
					t.Errorf("%d attempts, breaker %v; want 20 and none", w.count(), b.breakerEvents())
				}
			})
		})
	}
}

// An owner who moves the webhook need not wait for the breaker.
func TestMovedWebhookIsProbedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.answer(http.StatusInternalServerError)
		hook := b.invoices(engine.NewWebhook{})
		b.publishMany(50)
		pass(7 * time.Second)
		b.answer(http.StatusOK)
		moved := "https://elsewhere.example/"
		b.update(engine.WebhookEdit{ID: hook.ID, URL: &moved})
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 50})
		if got := b.breakerEvents(); len(got) != 2 || got[1] != "closed" {
			t.Errorf("events = %v", got)
		}
	})
}
