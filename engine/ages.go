package engine

import (
	"context"
	"sync"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// ages knows when the next open call is too old, so that the runner wakes in time and looks for none where there are none.
type ages struct {
	mu   sync.Mutex
	next time.Time // no call ends by age before it; zero where none does

	// All calls that were too old by then have ended. It is the runner's own: rows before it have been deleted, and a scan from the start of
	// the range would pass over the traces that they leave.
	ended time.Time
}

// sooner notes when a call ends, the zero time for never, and tells whether that is before all others.
func (a *ages) sooner(at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.IsZero() || !a.next.IsZero() && !at.Before(a.next) {
		return false
	}
	a.next = at
	return true
}

// rest is how long nothing is to be done: at most maxRest, for a wall clock may be set forward.
func (a *ages) rest(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next.IsZero() {
		return maxRest
	}
	return min(max(0, a.next.Sub(now)), maxRest)
}

// due tells whether a call may be too old at a time, and if so begins to look anew: what is requested from now on is noted again.
func (a *ages) due(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next.IsZero() || a.next.After(now) {
		return false
	}
	a.next = time.Time{}
	return true
}

// expireCalls ends the calls whose time is over, whatever holds them back: a paused webhook, an earlier call, a breaker.
func (j *jobs) expireCalls(ctx context.Context) error {
	for now := j.clock.now(); ctx.Err() == nil && j.ages.due(now); {
		expired, next, err := j.tooOld(ctx, now)
		if err == nil && len(expired) > 0 {
			err = j.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
				return core.ExpireCalls(b.State, b.now, expired)
			})
		}
		if err != nil {
			j.ages.sooner(now) // look again
			return err
		}
		j.ages.ended = now
		if len(expired) == core.StepCalls {
			j.ages.ended = expired[len(expired)-1].At
		}
		j.ages.sooner(next)
	}
	return nil
}

// tooOld returns the first calls whose time is over, a step of them, and when the next one's is; the zero time behind the last.
func (j *jobs) tooOld(ctx context.Context, now time.Time) (expired []core.Expiry, next time.Time, err error) {
	err = j.store.View(ctx, func(r ports.Reader) error {
		from, to := core.ExpiryRange(j.ages.ended)
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			x, err := core.ParseExpiry(pair.Key, pair.Value)
			if err != nil {
				return err
			}
			if x.At.After(now) || len(expired) == core.StepCalls {
				next = x.At
				return nil
			}
			expired = append(expired, x)
		}
		return nil
	})
	return expired, next, err
}
