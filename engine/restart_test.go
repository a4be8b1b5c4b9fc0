package engine_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// TestRestartsLoseNothing closes the engine again and again, in the middle of attempts, waits and backlogs.
func TestRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.many(5)
		answers := rand.New(rand.NewPCG(3, 4))
		lock := make(chan struct{}, 1)
		caller.Respond(func(ports.Request) portstest.ScriptedReply {
			lock <- struct{}{}
			defer func() { <-lock }()
			r := status([]int{200, 500, 503}[answers.IntN(3)])
			r.After = time.Duration(answers.IntN(3000)) * time.Millisecond
			return r
		})
		accepted := map[string]bool{}
		epoch := uint64(0)
		for range 8 {
			for range 5 {
				accepted[b.publish(`1`).ID] = true
				pass(time.Duration(random.IntN(2000)) * time.Millisecond)
			}
			b.close()
			b = openOn(t, disk, caller)
			if _, now := b.ID(); now <= epoch {
				t.Errorf("epoch %d came after %d", now, epoch)
			} else {
				epoch = now
			}
		}
		b.answer(http.StatusOK)
		pass(30 * 24 * time.Hour)
		defer b.close()
		b.wantStates(map[string]int{"succeeded": 200})
		wantVerified(t, disk)
		for _, c := range b.calls() {
			delete(accepted, c.Message)
		}
		if len(accepted) > 0 {
			t.Errorf("%d messages were accepted and have no call", len(accepted))
		}
	})
}

// In fake time all of it happens in one millisecond, which is when ids could go back.
func TestIdsGrowOverRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		before := ""
		for range 50 {
			b := openOn(t, disk, caller)
			id := b.publish(`1`).ID
			if id <= before {
				t.Errorf("id %s came after %s", id, before)
			}
			before = id
			b.close()
		}
	})
}

func TestEventsAreInOrderOverRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		for i := range 5 {
			b := openOn(t, disk, caller)
			b.many(2)
			b.publish(fmt.Sprint(i))
			pass(time.Minute)
			b.close()
		}
		b := openOn(t, disk, caller)
		defer b.close()
		seq, at := uint64(0), time.Time{}
		for len(b.collect(seq, 1)) == 1 {
			e := b.collect(seq, 1)[0]
			if e.Seq != seq+1 || e.At.Before(at) {
				t.Errorf("event %d of %s came after %d of %s", e.Seq, e.At, seq, at)
			}
			seq, at = e.Seq, e.At
		}
		if last, err := b.LastSeq(t.Context()); err != nil || last != seq {
			t.Errorf("last seq = %d, %v; want %d", last, err, seq)
		}
	})
}

// collect returns at most n events after seq, from one page.
func (b *bench) collect(seq uint64, n int) []engine.Event {
	b.t.Helper()
	page, err := b.Events(b.t.Context(), engine.EventQuery{After: seq, Limit: n})
	if err != nil {
		b.t.Fatal(err)
	}
	return page.Items
}
