package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A watch is a receiver that notes when each attempt began, which message it was of, and how many were under way.
type watch struct {
	mu    sync.Mutex
	began []time.Time
	ids   []string
	now   map[string][]time.Time // by URL: when those that are under way end
	most  map[string]int
}

// watched lets every attempt end as answer says.
func (b *bench) watched(answer func(r ports.Request) portstest.ScriptedReply) *watch {
	w := &watch{now: map[string][]time.Time{}, most: map[string]int{}}
	b.caller.Respond(func(r ports.Request) portstest.ScriptedReply {
		w.mu.Lock()
		defer w.mu.Unlock()
		reply := answer(r)
		now := time.Now()
		w.began, w.ids = append(w.began, now), append(w.ids, r.Header["webhook-id"])
		left := slices.DeleteFunc(w.now[r.URL], func(end time.Time) bool { return !end.After(now) })
		w.now[r.URL] = append(left, now.Add(reply.After))
		w.most[r.URL] = max(w.most[r.URL], len(w.now[r.URL]))
		return reply
	})
	return w
}

// count returns how many attempts have begun.
func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.began)
}

// since returns how long after a time the attempts began, in whole seconds.
func (w *watch) since(start time.Time) (out []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.began {
		out = append(out, int(at.Sub(start)/time.Second))
	}
	return out
}

// busiest is the most attempts that began within any one second.
func (w *watch) busiest() (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, at := range w.began {
		n := 0
		for _, other := range w.began[i:] {
			if other.Sub(at) < time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func after(code int, d time.Duration) func(ports.Request) portstest.ScriptedReply {
	return func(ports.Request) portstest.ScriptedReply {
		r := status(code)
		r.After = d
		return r
	}
}

// moody answers with one of the codes within two seconds.
func moody(seed uint64, codes ...int) func(ports.Request) portstest.ScriptedReply {
	random := rand.New(rand.NewPCG(seed, 8)) // the watch's lock is held
	return func(ports.Request) portstest.ScriptedReply {
		r := status(codes[random.IntN(len(codes))])
		r.After = time.Duration(random.IntN(2000)) * time.Millisecond
		return r
	}
}

func (b *bench) publishMany(n int) (ids []string) {
	b.t.Helper()
	for range n {
		ids = append(ids, b.publish(`1`).ID)
	}
	return ids
}

func (b *bench) webhook(id string) engine.Webhook {
	b.t.Helper()
	w, err := b.Webhook(context.Background(), "42", id)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *bench) update(e engine.WebhookEdit) {
	b.t.Helper()
	e.Company = "42"
	if _, err := b.UpdateWebhook(context.Background(), e); err != nil {
		b.t.Fatal(err)
	}
}

// Whatever the policy, what it says holds, and every call ends.
func TestPoliciesHoldTogether(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) { policyRun(t, rand.New(rand.NewPCG(seed, 9))) })
		})
	}
}

func policyRun(t *testing.T, random *rand.Rand) {
	t.Helper()
	disk, caller := memstore.New(), portstest.NewScriptedCaller()
	b := openOn(t, disk, caller)
	w := b.watched(moody(random.Uint64(), 200, 200, 200, 500, 503))
	n := engine.NewWebhook{InFlight: 1 + random.IntN(8), Sequential: random.IntN(2) == 0, Schedule: []time.Duration{time.Second, time.Minute}}
	if random.IntN(2) == 0 {
		n.Rate = 0.5 + random.Float64()*20
	}
	hook := b.invoices(n)
	var ids []string
	for range 15 {
		ids = append(ids, b.publishMany(random.IntN(20))...)
		pass(time.Duration(random.IntN(30_000)) * time.Millisecond)
		switch random.IntN(3) {
		case 0:
			_, _ = b.PauseWebhook(context.Background(), "42", hook.ID)
		case 1:
			text := "another"
			b.update(engine.WebhookEdit{ID: hook.ID, Description: &text})
		default:
			_, _ = b.ResumeWebhook(context.Background(), "42", hook.ID)
		}
	}
	_, _ = b.ResumeWebhook(context.Background(), "42", hook.ID)
	b.publish(`1`)
	pass(48 * time.Hour)
	defer b.close()
	if got := w.most[receiver]; got > n.InFlight || n.Sequential && got > 1 {
		t.Errorf("%d attempts were under way at once, allowed were %d (sequential: %t)", got, n.InFlight, n.Sequential)
	}
	if got := w.busiest(); n.Rate > 0 && float64(got) > n.Rate*21/20+1 {
		t.Errorf("%d attempts within a second, allowed were %v", got, n.Rate)
	}
	if n.Sequential {
		if got := w.firsts(t); !slices.Equal(got[:len(ids)], ids) {
			t.Error("messages came in another order")
		}
	}
	for _, c := range b.calls() {
		if c.State.Open() {
			t.Errorf("call %+v is still open", c)
		}
	}
	wantVerified(t, disk)
}
