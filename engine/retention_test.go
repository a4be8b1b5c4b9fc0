package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func keep(d time.Duration) func(*engine.Options) {
	return func(o *engine.Options) { o.Retention = d }
}

// kept counts what the store holds: entries of the log, call rows, items of the vault.
type kept struct{ entries, calls, data, responses int }

func keptIn(t *testing.T, disk ports.Store) (k kept) {
	t.Helper()
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for _, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			k.entries++
		}
		for pair, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			for prefix, count := range map[string]*int{"r\x00call\x00": &k.calls, "v\x00data\x00": &k.data, "v\x00response\x00": &k.responses} {
				if bytes.HasPrefix(pair.Key, []byte(prefix)) {
					*count++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wantInOrder fails the test unless the log verifies, and its rows fold again to the same bytes.
func wantInOrder(t *testing.T, disk ports.Store) {
	t.Helper()
	wantVerified(t, disk)
	before := rowsOf(t, disk)
	if _, err := engine.Rebuild(t.Context(), disk); err != nil {
		t.Fatalf("rebuild: %v", err)
	}
	if after := rowsOf(t, disk); !maps.Equal(before, after) {
		t.Errorf("%d rows before the rebuild, %d others after it", len(before), len(after))
	}
}

// TestRetentionTakesWholeStreams: after every kind of command only what outlives its calls is left, and the log folds to it.
func TestRetentionTakesWholeStreams(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.rehearse()
		s := newStoryteller(b)
		if s.tell(); s.broke != nil {
			t.Fatal(s.broke)
		}
		b.parrot(http.StatusOK, 0)
		erased := b.publish(`"to be erased"`)
		pass(time.Minute)
		b.eraseMessage(erased.ID)
		b.replay(engine.NewReplay{Mode: core.ReplaySame, Query: engine.ReplayQuery{State: core.Cancelled}})
		pass(10 * time.Minute)
		b.close()
		all := keptIn(t, disk)

		b = openOn(t, disk, caller, keep(time.Hour))
		pass(30 * time.Minute)
		if some := keptIn(t, disk); some.calls == 0 || some.calls == all.calls {
			t.Errorf("%d of %d calls are left after a part of the time", some.calls, all.calls)
		}
		pass(2 * time.Hour)
		b.close()
		left := keptIn(t, disk)
		if want := (kept{entries: left.entries}); left != want {
			t.Errorf("left are %+v of %+v, want no call, data or response", left, all)
		}
		wantInOrder(t, disk)

		b = openOn(t, disk, caller, keep(time.Hour))
		defer b.close()
		b.answer(http.StatusOK)
		if m := b.publish(`"after it"`); m.Calls == 0 {
			t.Fatal("the webhooks went with their calls")
		}
		pass(time.Minute)
		if len(b.calls()) == 0 {
			t.Error("a new call is not there")
		}
		wantVerified(t, disk)
	})
}

// TestRetentionKeepsWhatIsNotOver: open calls, a message of which one call is open or was retried of late, and all younger ones.
func TestRetentionKeepsWhatIsNotOver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller(), keep(10*time.Minute))
		defer b.close()
		ctx := context.Background()
		good := b.invoices(engine.NewWebhook{})
		paused := b.register(engine.NewWebhook{EventTypes: []string{"other"}})
		b.register(engine.NewWebhook{EventTypes: []string{"other"}})
		if _, err := b.PauseWebhook(ctx, "42", paused.ID); err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusOK)
		b.publish(`"over"`)
		waits, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "other", Data: []byte(`"waits"`)})
		if err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusGone)
		b.publish(`"retried"`)
		pass(9 * time.Minute)
		if _, err := b.EnableWebhook(ctx, "42", good.ID); err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusOK)
		retried := b.calls()[0]
		if _, err := b.RetryCall(ctx, "42", retried.ID); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Minute)
		left := map[string]int{}
		for _, c := range b.calls() {
			left[c.Message]++
		}
		if want := map[string]int{waits.ID: 2, retried.Message: 2}; !maps.Equal(left, want) {
			t.Errorf("left are %v, want %v", left, want)
		}
		if _, err := b.ResumeWebhook(ctx, "42", paused.ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if n := len(b.calls()); n > 0 {
			t.Errorf("%d calls are left", n)
		}
		b.close()
		wantInOrder(t, disk)
	})
}

// TestRetentionOfALargePlan: a message with more calls than a step takes goes in parts, over a crash at any write.
func TestRetentionOfALargePlan(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		broke := false
		bubble(t, func(t *testing.T) { broke = largePlanOver(t, k) })
		if !broke || t.Failed() {
			if k < 4 {
				t.Errorf("write %d was the last, want several steps", k-1)
			}
			return
		}
	}
}

func largePlanOver(t *testing.T, k int) (broke bool) {
	t.Helper()
	disk, caller := memstore.New(), portstest.NewScriptedCaller()
	b := openOn(t, disk, caller)
	b.many(300)
	b.answer(http.StatusOK)
	b.publish(`"wide"`)
	pass(time.Minute)
	b.wantStates(map[string]int{"succeeded": 300})
	b.close()

	faults := portstest.NewFaultStore(disk)
	faults.FailAfter(1+k, errCrash) // behind the start's own
	b = openOn(t, faults, caller, keep(time.Hour))
	pass(2 * time.Hour)
	broke = faults.Applies() >= 1+k
	_ = b.Close() // it reports the crash
	wantInOrder(t, disk)
	b = openOn(t, disk, caller, keep(time.Hour))
	pass(2 * time.Hour)
	b.close()
	if left := keptIn(t, disk); left.calls+left.data > 0 {
		t.Errorf("after a crash at write %d %+v is left", k, left)
	}
	wantInOrder(t, disk)
	return broke
}

// TestRetentionIsBounded: a log under traffic does not grow beyond what the time holds, also while a webhook fails and recovers, keys
// expire, and messages find nobody.
func TestRetentionIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller(), keep(6*time.Hour))
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute}})
		ctx := context.Background()
		at := map[int]int{}
		for day := range 8 {
			for n := range 48 {
				b.answer([]int{http.StatusOK, http.StatusInternalServerError}[n%2])
				for i := range 4 {
					_, err := b.Publish(ctx, engine.NewMessage{
						Company: "42", EventType: []string{"invoice.paid", "unheard.of"}[i%2], Data: []byte(`1`), IdempotencyKey: fmt.Sprint(day, n, i),
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				pass(30 * time.Minute)
			}
			at[day] = keptIn(t, disk).entries
		}
		if at[7] > at[3]+at[3]/20 {
			t.Errorf("entries of the log grow from day to day: %v", at)
		}
		b.close()
		wantInOrder(t, disk)
	})
}

// TestRetentionWaitsForThePublished: what other systems have not been told is kept.
func TestRetentionWaitsForThePublished(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		var refuses atomic.Bool
		faults := portstest.NewFaultBus(goBus(), func(topic string, _ int) portstest.BusFault {
			if refuses.Load() && topic == "posthorn.events" {
				return portstest.BusFailBefore
			}
			return portstest.BusFaithful
		})
		b := openOn(t, disk, portstest.NewScriptedCaller(), keep(time.Hour), func(o *engine.Options) { o.Bus, o.PublishEvents = faults, true })
		b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		erased := b.publish(`"to be erased"`)
		pass(time.Minute)
		refuses.Store(true)
		b.eraseMessage(erased.ID) // which others are to hear of
		b.publish(`1`)
		pass(3 * time.Hour)
		if n := len(b.calls()); n != 2 {
			t.Errorf("%d calls, of which one was erased, while events about them wait to be published, want 2", n)
		}
		refuses.Store(false)
		pass(3 * time.Hour)
		if n := len(b.calls()); n != 0 {
			t.Errorf("%d calls after their events were published, want none", n)
		}
		b.close()
		wantInOrder(t, disk)
	})
}

// TestVerifyOfHoles: the log may lack what retention has taken, and nothing else.
func TestVerifyOfHoles(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller(), keep(time.Hour))
		b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		b.publish(`1`)
		pass(3 * time.Hour)
		b.close()
		wantInOrder(t, disk)
		var first ports.Entry
		err := disk.View(t.Context(), func(r ports.Reader) error {
			for entry, err := range r.Entries(0) { // of the start, in whose stead later ones set the row
				first = ports.Entry{First: entry.First, Last: entry.Last}
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b = openOn(t, disk, portstest.NewScriptedCaller())
		b.close()
		if err := disk.Apply(t.Context(), ports.Commit{Rewrites: []ports.Entry{first}}); err != nil {
			t.Fatal(err)
		}
		report := verify(t, disk)
		if report.OK() || !strings.Contains(report.Problems[0], "and retention took") {
			t.Errorf("verify says %q of a hole that nobody made", report.Problems)
		}
	})
}

func TestRetentionIsRefused(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-time.Hour, time.Millisecond} {
		_, err := engine.Open(t.Context(), engine.Options{Store: memstore.New(), Bus: goBus(), Caller: portstest.NewScriptedCaller(), Retention: d})
		if err == nil || !strings.Contains(err.Error(), "or 0 to keep all") {
			t.Errorf("a retention of %s: %v", d, err)
		}
	}
}
