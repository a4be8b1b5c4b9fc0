package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A tap keeps every envelope of outcomes that is published, and hands it on or not.
type tap struct {
	ports.Bus

	shut bool

	mu   sync.Mutex
	kept []ports.Envelope
}

func (b *tap) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	if !strings.HasSuffix(topic, ".outcomes") {
		return b.Bus.Publish(ctx, topic, envelopes...)
	}
	b.mu.Lock()
	b.kept = append(b.kept, envelopes...)
	b.mu.Unlock()
	if b.shut {
		return nil
	}
	return b.Bus.Publish(ctx, topic, envelopes...)
}

// openTapped opens an engine over a store that outlives it, with a tap in its bus.
func openTapped(t *testing.T, disk ports.Store, caller *portstest.ScriptedCaller, shut bool) (*bench, *tap) {
	t.Helper()
	bus := &tap{Bus: goBus(), shut: shut}
	b := open(t, func(o *engine.Options) { o.Store, o.Bus, o.Caller = &session{Store: disk}, bus, caller })
	b.caller = caller
	return b, bus
}

// arrive brings what an earlier engine's tap has kept to an engine of today, as a broker does that outlives engines.
func (b *bench) arrive(bus *tap, kept ...ports.Envelope) {
	b.t.Helper()
	id, _ := b.ID()
	if err := bus.Bus.Publish(b.t.Context(), "posthorn."+id+".outcomes", kept...); err != nil {
		b.t.Fatal(err)
	}
	pass(time.Second)
}

// TestOutcomeOfAnOlderEpoch: an engine ends before the outcome of an attempt has reached it; the attempt is made again after the
// restart, and the old outcome comes before or after the new one. Both are recorded, each once however often it comes.
func TestOutcomeOfAnOlderEpoch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old, again int
		first      bool // the old outcome comes while the new attempt is under way
		meanwhile  string
		want       string
	}{
		"late success":               {200, 500, false, "failed: schedule used up", "succeeded"},
		"late failure":               {500, 200, false, "succeeded", "succeeded"},
		"late gone":                  {410, 200, false, "succeeded", "succeeded"},
		"success before the failure": {200, 500, true, "succeeded", "succeeded"},
		"failure before the success": {500, 200, true, "failed: schedule used up", "succeeded"},
		"gone before the success":    {410, 200, true, "failed: webhook gone", "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				b, before := openTapped(t, disk, caller, true)
				w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
				again := status(test.again)
				again.After = 10 * time.Second
				caller.Script(receiver, status(test.old), again)
				b.publish(`1`)
				pass(time.Second)
				b.close()
				b, bus := openTapped(t, disk, caller, false)
				defer b.close()
				if !test.first {
					pass(time.Minute)
				}
				pass(time.Second)
				arriving := func() { b.arrive(bus, before.kept...) }
				if test.first {
					arriving()
					b.wantStates(map[string]int{test.meanwhile: 1})
					pass(time.Minute)
				} else {
					b.wantStates(map[string]int{test.meanwhile: 1})
					arriving()
				}
				arriving()
				b.wantStates(map[string]int{test.want: 1})
				b.wantBoth(test.first)
				if now, err := b.Webhook(t.Context(), "42", w.ID); err != nil || now.Enabled != (test.old != http.StatusGone || !test.first) {
					t.Errorf("webhook = %+v, %v", now, err)
				}
				wantVerified(t, disk)
			})
		})
	}
}

// wantBoth fails the test unless the one call has both attempts recorded, in the order in which their outcomes came.
func (b *bench) wantBoth(oldFirst bool) {
	b.t.Helper()
	attempts := b.detail(b.calls()[0].ID).Attempts
	if len(attempts) != 2 || attempts[0].StartedAt.Before(attempts[1].StartedAt) != oldFirst {
		b.t.Errorf("attempts = %+v, want two, and the older one ahead: %v", attempts, oldFirst)
	}
}

// TestOutcomesOfWhatABackupDoesNotKnow: a backup is put back while the bus still carries outcomes of what came after it: of a call
// that it does not hold, and of attempts that it has not made. They change nothing, and the engine goes on.
func TestOutcomesOfWhatABackupDoesNotKnow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b, later := openTapped(t, disk, caller, false)
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute, time.Minute, time.Minute}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		backup := cloned(t, disk)
		pass(4 * time.Minute) // attempts 2, 3 and 4 of the first call
		b.publish(`2`)        // a call that the backup does not know
		pass(time.Second)
		b.close()

		b, bus := openTapped(t, backup, caller, false)
		defer b.close()
		pass(time.Second) // attempt 2, once more
		was, err := b.LastSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.arrive(bus, later.kept[3:]...)
		if now, err := b.LastSeq(t.Context()); err != nil || now != was {
			t.Errorf("last seq = %d, %v; want %d still", now, err, was)
		}
		b.answer(http.StatusOK)
		b.publish(`3`)
		pass(time.Hour)
		b.wantStates(map[string]int{"succeeded": 2})
		wantVerified(t, backup)
	})
}

// cloned copies a store in memory.
func cloned(t *testing.T, disk ports.Store) ports.Store {
	t.Helper()
	out := memstore.New()
	err := disk.View(t.Context(), func(r ports.Reader) error {
		var all ports.Commit
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			all.Entries = append(all.Entries, ports.Entry{First: e.First, Last: e.Last, Data: bytes.Clone(e.Data)})
		}
		for p, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			all.Puts = append(all.Puts, ports.Pair{Key: bytes.Clone(p.Key), Value: bytes.Clone(p.Value)})
		}
		return out.Apply(t.Context(), all)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMissingContentEndsTheCall: what a call is to tell is in the vault no more. It fails, visibly and without an attempt, and those
// beside it go on.
func TestMissingContentEndsTheCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute}})
		b.register(engine.NewWebhook{URL: receiver + "/people", Schedule: []time.Duration{time.Minute}})
		b.answer(http.StatusInternalServerError)
		lost, kept := b.publish(`1`), b.publish(`2`)
		person := b.candidate()
		pass(time.Second)
		b.close()
		attempts := len(caller.Requests())
		err := disk.Apply(t.Context(), ports.Commit{Deletes: [][]byte{
			core.DataKey(lost.ID), core.ResourceKey(core.ResourceRef{Type: core.CandidateType, ID: person.ID, Version: 1}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		b = openOn(t, disk, caller)
		defer b.close()
		b.answer(http.StatusOK)
		pass(time.Hour)
		b.wantStates(map[string]int{"failed: resource missing": 2, "succeeded": 1})
		if n := len(caller.Requests()) - attempts; n != 1 {
			t.Errorf("%d attempts were made, want one, of message %s", n, kept.ID)
		}
		report, err := engine.Verify(t.Context(), disk, memstore.New())
		if err != nil || report.Count != 2 {
			t.Errorf("verify = %+v, %v; want the two items missed", report, err)
		}
	})
}

// A strictBus takes no envelope above a size, as a broker does that was not made for us.
type strictBus struct {
	ports.Bus

	most int
}

func (b strictBus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	for _, e := range envelopes {
		if len(e.Body) > b.most {
			return fmt.Errorf("publish %d bytes: %w", len(e.Body), ports.ErrTooLarge)
		}
	}
	return b.Bus.Publish(ctx, topic, envelopes...)
}

// TestWhatTheTransportNeverTakesEndsItsCall: it would be tried for ever, and with it those that were gathered beside it.
func TestWhatTheTransportNeverTakesEndsItsCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t, func(o *engine.Options) { o.Bus = strictBus{o.Bus, 40 << 10} })
		defer b.close()
		b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		text := func(size int) string { return `"` + strings.Repeat("x", size) + `"` }
		for range 4 { // together they are too large, alone they are not
			b.publish(text(15 << 10))
		}
		b.publish(text(60 << 10))
		b.publish(`1`)
		pass(time.Minute)
		b.wantStates(map[string]int{"failed: too large for the transport": 1, "succeeded": 5})
		if n := len(b.caller.Requests()); n != 5 {
			t.Errorf("%d attempts were made, want one for each that could be carried", n)
		}
	})
}
