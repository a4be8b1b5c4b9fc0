package crash

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"posthorn/harness"
)

// The receiver's paths, one for each webhook. The flaky one answers 503 for a while after each start of the server, so that retries
// cross the kills.
const (
	steadyPath = "/steady"
	flakyPath  = "/flaky"
	seedPath   = "/seed"
)

// longest is how long an answer is thought over.
const longest = 20 * time.Millisecond

// schedule of the webhooks by /v1: short, so that retries fall among the kills, and long enough that no call fails for want of another try.
func schedule() []string {
	return []string{"100ms", "200ms", "400ms", "800ms", "1s", "1s", "2s", "2s", "4s", "4s", "8s", "8s", "15s", "15s"}
}

// defaultTimeout is what an attempt at these webhooks may take, for nothing else is asked for.
const defaultTimeout = 15 * time.Second

// A delivery is one attempt as the receiver saw it.
type delivery struct {
	path, message string
	at            time.Time // when it came
	status        int       // what it was answered, unless the server was gone by then; 0 for a fault
	answered      time.Time // when that went out, to whom it may concern
	held          int       // the kill at which it was not answered yet, counted from 1; 0 for none
	verified      bool
	body          uint64 // its hash
}

// A witness receives the calls, and can be stopped from answering. Its methods may be called from many goroutines at once.
type witness struct {
	receiver *harness.Receiver
	ended    context.Context
	refusals int // of the flaky path, after each start; 0 if there is none
	seed     maphash.Seed
	news     chan struct{} // holds one signal: something came

	mu         sync.Mutex // held while a kill falls: nothing is answered then
	rand       *rand.Rand
	deliveries []delivery
	unanswered map[int]struct{} // of deliveries
}

func newWitness(ctx context.Context, r Run) (w *witness, err error) {
	w = &witness{
		ended: ctx, seed: maphash.MakeSeed(), unanswered: map[int]struct{}{},
		news: make(chan struct{}, 1),
		rand: rand.New(rand.NewPCG(r.Seed, 1)), //nolint:gosec // repeatable by its seed
	}
	if r.Sequential == 0 {
		w.refusals = r.between()/10 + 1
	}
	w.receiver, err = harness.Start(ctx, harness.Options{Keep: -1, DropBodies: true, OnDelivery: w.saw})
	return w, err
}

func (w *witness) close() error { return w.receiver.Close() }

// register makes the webhooks and learns their secrets.
func (w *witness) register(ctx context.Context, a *api) error {
	for _, path := range []string{steadyPath, flakyPath} {
		var answer struct {
			Secret string `json:"secret"`
		}
		err := a.must(ctx, http.MethodPost, companyPath(keyedCompany)+"/webhooks",
			map[string]any{"url": w.receiver.URL() + path, "eventTypes": []string{"*"}, "schedule": schedule()}, &answer)
		if err != nil {
			return err
		}
		if err := w.receiver.Endpoint(path).SetSecret(answer.Secret); err != nil {
			return err
		}
	}
	var answer struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	err := a.must(ctx, http.MethodPost, "/webhooks",
		map[string]string{"companyId": seedCompany, "url": w.receiver.URL() + seedPath, "eventType": "candidate.created"}, &answer)
	if err != nil {
		return err
	}
	w.serverStarts()
	return w.receiver.Endpoint(seedPath).SetSecret(answer.Data.Token)
}

// serverStarts begins a time in which the flaky path refuses.
func (w *witness) serverStarts() {
	if w.refusals == 0 {
		return
	}
	w.receiver.Endpoint(flakyPath).Reply(harness.Reply{Status: http.StatusServiceUnavailable, Times: w.refusals})
}

// saw notes a delivery and holds it for a moment; the answer goes out when it returns.
func (w *witness) saw(d harness.Delivery) {
	w.mu.Lock()
	n := len(w.deliveries)
	w.deliveries = append(w.deliveries, delivery{
		path: d.Path, message: d.ID, at: d.At, status: d.Status, verified: d.Verified(), body: maphash.Bytes(w.seed, d.Body),
	})
	w.unanswered[n] = struct{}{}
	thinks := time.NewTimer(time.Duration(w.rand.Int64N(int64(longest))))
	w.mu.Unlock()
	defer thinks.Stop()
	select {
	case w.news <- struct{}{}:
	default: // the signal is there already
	}
	select {
	case <-thinks.C:
	case <-w.ended.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.unanswered, n)
	w.deliveries[n].answered = time.Now()
}

// still holds back every answer while fall runs, which is told how many attempts are under way; what it returns true for is the kill
// that they are marked with.
func (w *witness) still(kill int, fall func(underWay int) (bool, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fell, err := fall(len(w.unanswered))
	if err != nil {
		return fmt.Errorf("kill %d: %w", kill, err)
	}
	if fell {
		for n := range w.unanswered {
			w.deliveries[n].held = kill
		}
	}
	return nil
}

// count is how many deliveries there are so far.
func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.deliveries)
}

// seen are all deliveries so far, in the order in which they came.
func (w *witness) seen() []delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.deliveries) // their own places are what unanswered names
	slices.SortStableFunc(all, func(a, b delivery) int { return a.at.Compare(b.at) })
	return all
}
