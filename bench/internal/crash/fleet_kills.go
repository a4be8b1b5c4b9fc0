package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A raid kills the processes of a fleet, several at a time if it comes so, each at a moment when attempts are under way. Its methods are for
// one goroutine.
type raid struct {
	order   Run
	server  *server
	witness *witness
	clients *clients
	fleet   *fleet
	rand    *rand.Rand
	kills   []kill

	deck    []string        // kinds of kills that are still to fall in this round
	down    map[string]bool // by name of the process
	revived chan revival
}

// A revival is what came of a rise.
type revival struct {
	kill       int // its place in kills
	unanswered int
	at         time.Time
	err        error
}

func newRaid(r Run, s *server, w *witness, c *clients, f *fleet) *raid {
	return &raid{
		order: r, server: s, witness: w, clients: c, fleet: f, down: map[string]bool{}, revived: make(chan revival, r.Kills),
		deck: slices.Clone(r.Fleet.Order),
		rand: rand.New(rand.NewPCG(r.Seed, 3)), //nolint:gosec // repeatable by its seed
	}
}

func (r *raid) fallen() (all []kill, counted int) { return r.kills, len(r.kills) }

// run returns when the last kill has fallen and all is back.
func (r *raid) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var rising sync.WaitGroup
	defer rising.Wait()
	defer cancel()
	for n := range r.order.Kills {
		if n == 0 || !r.order.Fleet.AtOnce {
			if err := r.wait(ctx, r.moment(n)); err != nil {
				return err
			}
		}
		v, err := r.choose(ctx)
		if err != nil {
			return err
		}
		if err := r.strike(ctx, v); err != nil {
			return err
		}
		rising.Go(func() { // ends with ctx
			unanswered, err := v.rise(ctx)
			r.revived <- revival{n, unanswered, time.Now(), err}
		})
	}
	for len(r.down) > 0 {
		if err := r.hear(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// moment is after how many deliveries the nth kill falls: they are spread over nine tenths of those that there will be at least.
func (r *raid) moment(n int) int {
	calls := r.order.Candidates*2 - r.order.Candidates/seedShare - 1
	if o := r.clients.ordered; o != nil {
		calls = o.calls(r.order.Candidates)
	}
	return int((float64(n) + r.rand.Float64()) / float64(r.order.Kills) * float64(calls) * 0.9)
}

func (r *raid) wait(ctx context.Context, deliveries int) error {
	for r.witness.count() < deliveries {
		if err := r.hear(ctx, r.witness.news); err != nil {
			return err
		}
	}
	return nil
}

// hear returns with news, or when something is back.
func (r *raid) hear(ctx context.Context, news <-chan struct{}) error {
	select {
	case back := <-r.revived:
		k := &r.kills[back.kill]
		if back.err != nil {
			return fmt.Errorf("after kill %d (%s, %s): %w", k.number, k.what, k.how, back.err)
		}
		k.back, k.unanswered = back.at.Sub(k.at), back.unanswered
		delete(r.down, k.what)
		return nil
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// choose draws what falls among what runs. Each kind falls before one falls again.
func (r *raid) choose(ctx context.Context) (victim, error) {
	if len(r.deck) == 0 {
		r.deck = []string{EngineKilled, DispatcherKilled, DispatcherStopped, BrokerKilled}
		r.rand.Shuffle(len(r.deck), func(i, j int) { r.deck[i], r.deck[j] = r.deck[j], r.deck[i] })
	}
	for {
		for i, kind := range r.deck {
			if vs := r.victims(kind); len(vs) > 0 {
				r.deck = slices.Delete(r.deck, i, i+1)
				return vs[r.rand.IntN(len(vs))], nil
			}
		}
		if err := r.hear(ctx, nil); err != nil {
			return victim{}, err
		}
	}
}

// strike waits until attempts are under way, and lets the victim fall at that moment: no answer of the receiver goes out meanwhile.
func (r *raid) strike(ctx context.Context, v victim) error {
	one := kill{number: len(r.kills) + 1, kind: v.kind, what: v.what, how: v.how}
	for {
		fell := false
		err := r.witness.still(one.number, func(underWay int) (bool, error) {
			if fell = underWay > 0; !fell {
				return false, nil
			}
			one.at, one.accepted, one.underWay = time.Now(), r.clients.accepted(), underWay
			return true, v.fall()
		})
		if err != nil {
			return err
		}
		if fell {
			r.kills = append(r.kills, one)
			r.down[v.what] = true
			return nil
		}
		if err := r.hear(ctx, r.witness.news); err != nil {
			return err
		}
	}
}
