package engine_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A wall is a wall clock that is set forward and back, while the monotonic clock goes on.
type wall struct{ off atomic.Int64 }

func (w *wall) now() time.Time       { return time.Now().Round(0).Add(time.Duration(w.off.Load())) }
func (w *wall) step(d time.Duration) { w.off.Add(int64(d)) }

// openUnder opens an engine under a wall clock, over a store and a caller that outlive it.
func openUnder(t *testing.T, w *wall, disk ports.Store, caller *portstest.ScriptedCaller) *bench {
	t.Helper()
	b := open(t, func(o *engine.Options) { o.Store, o.Caller, o.Wall = &session{Store: disk}, caller, w.now })
	b.caller = caller
	return b
}

// steps of the wall clock, and how long a retry that was to come after a minute takes at most from then on. Set forward, it comes as
// soon as the pump looks; set back, the engine's time goes on, slower by a tenth. Jitter is a tenth more.
var steps = map[string]struct {
	by   []time.Duration // a minute apart
	most time.Duration
}{
	"an hour back":                  {[]time.Duration{-time.Hour}, 75 * time.Second},
	"five days forward":             {[]time.Duration{5 * 24 * time.Hour}, 5 * time.Minute},
	"five days forward, put right":  {[]time.Duration{5 * 24 * time.Hour, -5 * 24 * time.Hour}, 75 * time.Second},
	"back to 1970's end, put right": {[]time.Duration{-29 * 365 * 24 * time.Hour, 29 * 365 * 24 * time.Hour}, 75 * time.Second},
}

// TestClockStepsLoseNothing sets the wall clock while attempts are under way, calls wait and jobs run, and beside restarts.
func TestClockStepsLoseNothing(t *testing.T) {
	t.Parallel()
	for name, step := range steps {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s restart=%v", name, restart), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					clock, disk, caller := &wall{}, memstore.New(), portstest.NewScriptedCaller()
					b := openUnder(t, clock, disk, caller)
					good := b.invoices(engine.NewWebhook{URL: goodURL})
					shaky := b.invoices(engine.NewWebhook{URL: shakyURL, Schedule: []time.Duration{time.Minute}})
					for _, by := range step.by {
						caller.Script(shakyURL, status(http.StatusInternalServerError))
						b.publish(`1`)
						pass(time.Second)
						if restart {
							b.close()
						}
						clock.step(by)
						if restart {
							b = openUnder(t, clock, disk, caller)
						}
						b.underWay(clock)
						pass(time.Minute)
					}
					last := b.publish(`2`)
					pass(step.most)
					b.wantStates(map[string]int{"succeeded": 4*len(step.by) + 2})
					b.wantOrder(last.ID)
					for _, w := range []engine.Registered{good, shaky} {
						if now, err := b.Webhook(t.Context(), "42", w.ID); err != nil || !now.Enabled {
							t.Errorf("webhook = %+v, %v; want it as it was", now, err)
						}
					}
					if n, want := len(caller.Requests()), 5*len(step.by)+2; n != want {
						t.Errorf("%d attempts, want %d: none again because of the clock", n, want)
					}
					b.close()
					wantVerified(t, disk)
				})
			})
		}
	}
}

// underWay tells a message whose attempts are under way for 20 s; the clock is set to and fro meanwhile, and no lease ends early.
func (b *bench) underWay(clock *wall) {
	b.t.Helper()
	long := status(http.StatusOK)
	long.After = 8 * time.Second
	b.caller.Script(goodURL, long)
	b.caller.Script(shakyURL, long)
	b.publish(`1`)
	pass(time.Second)
	clock.step(-time.Minute)
	pass(time.Second)
	clock.step(time.Minute)
	pass(10 * time.Second)
}

// wantOrder fails the test unless the times of events, and the ids of messages in the order of their acceptance, never go back; last is
// the newest.
func (b *bench) wantOrder(last string) {
	b.t.Helper()
	var before engine.Event
	for seq := uint64(0); ; {
		events := b.collect(seq, 100)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if e.Seq != before.Seq+1 || e.At.Before(before.At) {
				b.t.Errorf("event %d of %s came after %d of %s", e.Seq, e.At, before.Seq, before.At)
			}
			before, seq = e, e.Seq
		}
	}
	for _, c := range b.calls() { // newest first, by key
		if c.Message > last {
			b.t.Errorf("message %s came after %s", c.Message, last)
		}
		last = c.Message
	}
}

// TestKeysUnderClockSteps states what a step does to idempotency keys: set back they last longer, never shorter; set forward by more than
// their life they are over, as if that time had passed.
func TestKeysUnderClockSteps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step time.Duration
		kept bool
	}{
		"an hour back": {-time.Hour, true}, "five days back": {-5 * 24 * time.Hour, true}, "an hour forward": {time.Hour, true},
		"five days forward": {5 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				clock := &wall{}
				b := openUnder(t, clock, memstore.New(), portstest.NewScriptedCaller())
				defer b.close()
				send := func() string {
					m, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`), IdempotencyKey: "k"})
					if err != nil {
						t.Fatal(err)
					}
					return m.ID
				}
				first := send()
				clock.step(test.step)
				pass(2 * time.Hour) // the hourly expiry runs
				if again := send(); (again == first) != test.kept {
					t.Errorf("the key gave %s and then %s; want the same: %v", first, again, test.kept)
				}
				pass(core.KeyLife * 10 / 9)
				if test.kept && send() == first {
					t.Error("the key never expires")
				}
			})
		})
	}
}
