package engine_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// firsts returns the messages in the order in which they came first, and fails unless each came again only before the next began.
func (w *watch) firsts(t *testing.T) (out []string) {
	t.Helper()
	for _, id := range w.ids {
		switch {
		case !slices.Contains(out, id):
			out = append(out, id)
		case out[len(out)-1] != id:
			t.Errorf("message %s came again after the one behind it", id)
		}
	}
	return out
}

// Each call fails now and then; leases end, engines stop and start; none goes before the one before it has ended.
func TestSequentialCallsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		random := rand.New(rand.NewPCG(5, 6))
		w := b.watched(moody(7, 200, 200, 500, 503))
		b.invoices(engine.NewWebhook{Sequential: true, Schedule: []time.Duration{time.Second, 10 * time.Second}})
		ids := b.publishMany(600) // more than a window
		for range 20 {
			ids = append(ids, b.publishMany(3)...)
			pass(time.Duration(random.IntN(20_000)) * time.Millisecond)
			b.close()
			b = openOn(t, disk, caller)
		}
		pass(24 * time.Hour)
		defer b.close()
		if got := w.firsts(t); !slices.Equal(got, ids) {
			t.Errorf("%d messages came in another order than the %d that were published", len(got), len(ids))
		}
		for _, c := range b.calls() {
			if c.State.Open() {
				t.Errorf("call %s is still open", c.ID)
			}
		}
		wantVerified(t, disk)
	})
}

func TestSequentialCallWaitsForTheRetriesOfTheOneBefore(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t, func(o *engine.Options) { o.NoBreaker = true })
		defer b.close()
		hook := b.register(engine.NewWebhook{Seed: true}) // its waits have no jitter
		yes := true
		b.update(engine.WebhookEdit{ID: hook.ID, Sequential: &yes})
		w := b.watched(after(http.StatusInternalServerError, 0))
		began := time.Now()
		for range 3 {
			b.candidate()
		}
		pass(30 * time.Second)
		// A test call has no order to keep.
		c, err := b.TestWebhook(context.Background(), "42", hook.ID)
		if err != nil || len(c.Attempts) != 1 || time.Since(began) != 30*time.Second {
			t.Errorf("test call = %+v, %v after %s; want an attempt at once", c, err, time.Since(began))
		}
		pass(time.Hour)
		if got, want := w.since(began), []int{0, 30, 60, 180, 180, 240, 360, 360, 420, 540}; !slices.Equal(got, want) {
			t.Errorf("attempts after %v s, want %v: each call's third, then the next's first", got, want)
		}
		w.ids = slices.Delete(w.ids, 1, 2)
		if got := w.firsts(t); len(got) != 3 {
			t.Errorf("%d messages came, want 3", len(got))
		}
	})
}

// A task that is lost is tasked again at the end of its lease, and what is behind it waits.
func TestSequentialOverABusThatLosesTasks(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]portstest.BusFault{
		"drops": portstest.BusDrop, "duplicates": portstest.BusDuplicate, "reverses": portstest.BusReverse,
	} {
		for _, topic := range []string{"tasks", "outcomes"} {
			t.Run(name+" "+topic, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					var bus *portstest.FaultBus
					b := open(t, withFaults(&bus, func(on string, nth int) portstest.BusFault {
						if strings.HasSuffix(on, "."+topic) && nth%3 == 1 {
							return fault
						}
						return portstest.BusFaithful
					}))
					defer b.close()
					w := b.watched(moody(11, 200, 200, 500))
					b.invoices(engine.NewWebhook{Sequential: true, Schedule: []time.Duration{time.Second}})
					ids := b.publishMany(50)
					pass(24 * time.Hour)
					if got := w.firsts(t); !slices.Equal(got, ids) {
						t.Errorf("messages came as %v, were published as %v", got, ids)
					}
				})
			})
		}
	}
}

// A call that is cancelled, or grows too old, while it waits lets the next go at once.
func TestSequentialGoesOnWhenTheFirstEndsWaiting(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.caller.Script(receiver, status(500))
		b.invoices(engine.NewWebhook{Sequential: true, Schedule: []time.Duration{time.Hour}})
		b.publishMany(2)
		pass(time.Second)
		calls := b.calls()
		slices.SortFunc(calls, func(x, y engine.Call) int { return strings.Compare(x.ID, y.ID) })
		if calls[0].AttemptCount != 1 || calls[1].AttemptCount != 0 {
			t.Fatalf("calls = %+v, want only the first tried", calls)
		}
		if _, err := b.Cancel(context.Background(), calls[0].ID); err != nil {
			t.Fatal(err)
		}
		pass(0)
		b.wantStates(map[string]int{"cancelled: cancelled by hand": 1, "succeeded": 1})
	})
}
