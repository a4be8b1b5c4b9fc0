package engine_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// wantEnded fails the test unless the newest call ended so long after its request, for a reason; 0 means that it is open.
func (b *bench) wantEnded(after time.Duration, reason string) {
	b.t.Helper()
	c := b.calls()[0]
	if open := c.EndedAt == nil; open != (after == 0) || string(c.Reason) != reason || !open && c.EndedAt.Sub(c.CreatedAt) != after {
		b.t.Errorf("call is %s (%q), ended %v, created %v; want it to end after %s for %q", c.State, c.Reason, c.EndedAt, c.CreatedAt, after, reason)
	}
}

// TestMaxAgeEndsCallsThatWait: at the end of their age, to the second, whatever holds them back; and no attempt is made after it.
func TestMaxAgeEndsCallsThatWait(t *testing.T) {
	t.Parallel()
	const age = 90 * time.Second
	pause := func(b *bench, w engine.Registered) {
		if _, err := b.PauseWebhook(context.Background(), "42", w.ID); err != nil {
			b.t.Fatal(err)
		}
	}
	for name, holds := range map[string]struct {
		hook     engine.NewWebhook
		before   func(b *bench, w engine.Registered)
		attempts int // of the call
	}{
		"paused":             {engine.NewWebhook{MaxAge: age}, pause, 0},
		"paused, sequential": {engine.NewWebhook{MaxAge: age, Sequential: true}, pause, 0},
		"behind an earlier call": {engine.NewWebhook{Sequential: true, Schedule: []time.Duration{time.Hour}}, func(b *bench, w engine.Registered) {
			b.answer(500)
			b.publish(`"the earlier one has no age"`)
			pass(time.Second)
			if _, err := b.UpdateWebhook(context.Background(), engine.WebhookEdit{Company: "42", ID: w.ID, MaxAge: new(age)}); err != nil {
				b.t.Fatal(err)
			}
		}, 0},
		"waits for its next attempt": {engine.NewWebhook{MaxAge: age, Schedule: []time.Duration{80 * time.Second}}, func(b *bench, w engine.Registered) {
			b.answer(500)
			time.AfterFunc(10*time.Second, func() { pause(b, w) }) // while it waits
		}, 1},
		"breaker": {engine.NewWebhook{MaxAge: age, Schedule: []time.Duration{}}, func(b *bench, _ engine.Registered) {
			b.answer(500)
			for range 30 { // 30 s, 60 s, 120 s: held back for longer than the age
				b.publish(`1`)
				pass(0)
			}
			pass(100 * time.Second)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.invoices(holds.hook)
				if holds.before != nil {
					holds.before(b, w)
				}
				b.publish(`1`)
				pass(age - time.Millisecond)
				b.wantEnded(0, "")
				pass(time.Millisecond)
				b.wantEnded(age, "too old")
				if got := b.calls()[0].AttemptCount; got != holds.attempts {
					t.Errorf("%d attempts of the call, want %d", got, holds.attempts)
				}
				sent := len(b.caller.Requests())
				if _, err := b.ResumeWebhook(context.Background(), "42", w.ID); err != nil {
					t.Fatal(err)
				}
				b.publish(`"and the lane goes on"`)
				pass(2 * time.Hour)
				if len(b.caller.Requests()) == sent {
					t.Error("nothing is attempted any more")
				}
			})
		})
	}
}

// TestMaxAgeAndTheSchedule: a call whose next attempt would be too late ends at once.
func TestMaxAgeAndTheSchedule(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.answer(500)
		b.invoices(engine.NewWebhook{MaxAge: 3 * time.Minute, Schedule: []time.Duration{time.Minute, time.Hour}, Seed: true})
		b.publish(`1`)
		pass(time.Hour)
		b.wantEnded(time.Minute, "too old")
		if n := len(b.caller.Requests()); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
}

// TestManyCallsEndByAgeAtOnce: more than one step, over a restart too, and a clock that is set forward is found within minutes.
func TestManyCallsEndByAgeAtOnce(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"at once", "after a restart", "by the clock"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				clock, disk, caller := &wall{}, memstore.New(), portstest.NewScriptedCaller()
				b := openUnder(t, clock, disk, caller)
				w := b.invoices(engine.NewWebhook{MaxAge: time.Hour})
				if _, err := b.PauseWebhook(t.Context(), "42", w.ID); err != nil {
					t.Fatal(err)
				}
				const many = 200
				for range many {
					b.publish(`1`)
				}
				switch way {
				case "at once":
					pass(time.Hour - time.Second)
					b.wantStates(map[string]int{"pending": many})
					pass(time.Second)
				case "after a restart":
					b.close()
					pass(2 * time.Hour)
					b = openUnder(t, clock, disk, caller)
					pass(0)
				case "by the clock":
					clock.step(time.Hour)
					pass(5 * time.Minute)
				}
				defer b.close()
				b.wantStates(map[string]int{"failed: too old": many})
				wantVerified(t, disk)
			})
		})
	}
}

// TestLateSuccessOfACallThatWasTooOld: the receiver has taken it.
func TestLateSuccessOfACallThatWasTooOld(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		slow := status(200)
		slow.After = 10 * time.Second
		b.caller.Script(receiver, slow)
		b.invoices(engine.NewWebhook{MaxAge: 5 * time.Second})
		b.publish(`1`)
		pass(5 * time.Second)
		b.wantEnded(5*time.Second, "too old")
		pass(5 * time.Second)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// TestNobodyLooksForAgeWhereNoneIs: webhooks without a maxAge cost nothing; with one, a look for as many calls as end in time is enough.
func TestNobodyLooksForAgeWhereNoneIs(t *testing.T) {
	t.Parallel()
	for maxAge, most := range map[time.Duration]int64{0: 1, time.Hour: 3} {
		bubble(t, func(t *testing.T) {
			var looks atomic.Int64
			b := open(t, func(o *engine.Options) {
				o.Store = &watchedStore{Store: memstore.New(), scan: func(from []byte) {
					if bytes.HasPrefix(from, []byte("r\x00expiry")) {
						looks.Add(1)
					}
				}}
			})
			defer b.close()
			b.invoices(engine.NewWebhook{MaxAge: maxAge})
			for range 120 {
				b.publish(`1`)
				pass(time.Minute)
			}
			if n := looks.Load(); n > most {
				t.Errorf("with a maxAge of %s the rows were looked through %d times, want at most %d", maxAge, n, most)
			}
		})
	}
}
