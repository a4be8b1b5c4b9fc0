package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// MinRetention is the least time that calls are kept after their end: none may go while somebody still asks what came of it.
const MinRetention = time.Second

const (
	// rewalkEvery is how often retention begins again at the start of the log. What it had to leave behind, since something of it was still under
	// way, is mostly met again by a later event of its own; this finds the rest.
	rewalkEvery = 24 * time.Hour
	// pruneCalls and pruneRewrites are how many calls one step takes, and how many entries it rewrites: how long it holds up the commands
	// behind it. While there is more to do than steps take, one is up to hurryFactor times as large: a batch of the writer holds one step, and
	// may hold a thousand new calls.
	pruneCalls    = core.StepCalls
	pruneRewrites = 4 * pruneCalls
	hurryFactor   = 4
	// pruneAhead and pruneAheadBytes are how many entries are read in one go for a step, which mostly looks at half of them.
	pruneAhead      = 512
	pruneAheadBytes = 4 << 20
	// fewSettled are not worth a step, which itself leaves an event.
	fewSettled = 64
)

// A pruner forgets calls, with their messages, when nothing has happened to them for the time that they are kept. It walks the log, which is
// in the order of time, and takes whole streams out of it, a bounded number in each step behind live traffic; events that are left say
// where. A crash loses nothing: the walk begins anew. It is one goroutine; it ends when its context does.
type pruner struct {
	store  ports.Store
	writer *writer
	clock  *clock
	log    *slog.Logger
	keep   time.Duration
	// published says that nothing may go before it was published for other systems.
	published bool
	time      pruneTime

	hurry int // how large the next step may be: 1 to hurryFactor

	after  uint64    // the walk has passed all events up to it
	walked time.Time // when it began at the start of the log, by the engine's time

	meanwhile atomic.Pointer[meanwhile] // nil while no step is looked for
}

// committed notes what a step that is looked for has to know of.
func (p *pruner) committed(c committed) {
	if m := p.meanwhile.Load(); m != nil {
		m.committed(c)
	}
}

func (p *pruner) run(ctx context.Context) {
	for ctx.Err() == nil && !p.writer.broken() {
		rest, err := p.round(ctx)
		if err != nil && ctx.Err() == nil {
			p.log.Warn("calls whose time is over could not be pruned; it is tried again", "error", err)
			pause(ctx)
			continue
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round prunes all whose time is over, and returns how long there is nothing to do.
func (p *pruner) round(ctx context.Context) (rest time.Duration, err error) {
	now, err := p.time.now(ctx, p.store, p.clock)
	if err != nil {
		return 0, err
	}
	if now.Sub(p.walked) >= rewalkEvery {
		p.after, p.walked = 0, now
	}
	if mark, due := p.time.mark(); due {
		if err := p.writer.alone(ctx, &command{mark: mark, decide: func(*batch) (core.Decision, error) { return core.Decision{}, nil }}); err != nil {
			return 0, err
		}
		p.time.saved = now
	}
	defer p.meanwhile.Store(nil)
	for {
		since := newMeanwhile()
		p.meanwhile.Store(since) // before the snapshot is taken
		found, err := p.look(ctx, now)
		if err == nil && !found.empty() {
			err = p.prune(ctx, found, since)
		}
		if err != nil {
			p.hurry = 1
			return 0, err
		}
		if p.hurry = min(2*p.hurry, hurryFactor); !found.full() {
			p.hurry = 1
		}
		p.after = found.after
		if found.last {
			return p.rest(found.next, now), nil
		}
	}
}

// rest is how long nothing is to be done, given the time of the next event. Calls go some at a time, not each at its own instant.
func (p *pruner) rest(next, now time.Time) time.Duration {
	least := min(max(time.Second, p.keep/64), time.Minute)
	if next.IsZero() {
		return max(least, min(p.keep, maxRest))
	}
	return max(least, min(next.Add(p.keep).Sub(now), maxRest))
}

// look finds the next step.
func (p *pruner) look(ctx context.Context, now time.Time) (found *pruneWalk, err error) {
	err = p.store.View(ctx, func(r ports.Reader) error {
		found = newPruneWalk(r, p.writer.codec, now.Add(-p.keep), p.after)
		found.most, found.mostBytes = max(1, p.hurry), p.store.Limits().CommitBytes/4
		if p.published {
			if err := found.onlyPublished(); err != nil {
				return err
			}
		}
		return found.walk(ctx)
	})
	return found, err
}

// prune takes a step, in a batch of its own: what is left of it holds for the snapshot that it is decided over.
func (p *pruner) prune(ctx context.Context, found *pruneWalk, since *meanwhile) error {
	return p.writer.alone(ctx, &command{rows: since.over(found.r.rows), decide: func(b *batch) (core.Decision, error) {
		return core.Prune(b.State, p.writer.codec, found.step(), since.calledAgain)
	}})
}
