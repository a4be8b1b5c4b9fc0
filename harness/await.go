package harness

import (
	"context"
	"fmt"
)

// A waiter is a call of an Await that has not returned. The receiver's mutex guards it.
type waiter struct {
	left int
	take func(*Delivery) bool // says that a delivery is one of those waited for
	done chan struct{}        // closed when none is left
}

// wake tells the waiters of a delivery. The caller holds the lock.
func (r *Receiver) wake(d *Delivery) {
	for w := range r.waiters {
		if !w.take(d) {
			continue
		}
		if w.left--; w.left == 0 {
			close(w.done)
			delete(r.waiters, w)
		}
	}
}

// Await returns nil when n deliveries have come in all, or an error that tells how many did: ctx's when it ended first,
// [ErrClosed] if the receiver was closed.
func (s *scope) Await(ctx context.Context, n int) error {
	return s.await(ctx, "deliveries", n,
		func() int { return s.total(func(l *ledger) int { return l.deliveries }) },
		func(*Delivery) bool { return true })
}

// AwaitUnique is Await for n different message ids; the same id at two paths is counted twice.
func (s *scope) AwaitUnique(ctx context.Context, n int) error {
	return s.await(ctx, "message ids", n,
		func() int { return s.total(func(l *ledger) int { return len(l.seen) }) },
		func(d *Delivery) bool { return d.ID != "" && d.Repeat == 0 })
}

// AwaitID is Await for n deliveries of one message.
func (s *scope) AwaitID(ctx context.Context, id string, n int) error {
	key := s.r.hasher.key(id)
	return s.await(ctx, fmt.Sprintf("deliveries of %q", id), n,
		func() int { return s.total(func(l *ledger) int { return int(l.seen[key].n) }) },
		func(d *Delivery) bool { return d.ID == id })
}

// AwaitAll is Await for each of the ids to have come at least once.
func (s *scope) AwaitAll(ctx context.Context, ids ...string) error {
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	n := len(missing)
	prior := func() int {
		ledgers := s.ledgers()
		for id := range missing {
			if arrived(ledgers, s.r.hasher.key(id)) {
				delete(missing, id)
			}
		}
		return n - len(missing)
	}
	return s.await(ctx, "expected message ids", n, prior, func(d *Delivery) bool {
		was := missing[d.ID]
		delete(missing, d.ID)
		return was
	})
}

// AwaitMatch is Await for n deliveries that match. Those that came before count as far as they are kept. match is called with the
// receiver's lock held: it must be quick and must not call the receiver.
func (s *scope) AwaitMatch(ctx context.Context, n int, match func(Delivery) bool) error {
	prior := func() (found int) {
		for d := range s.r.kept.each {
			if s.covers(d) && match(*d) {
				found++
			}
		}
		return found
	}
	return s.await(ctx, "matching deliveries", n, prior, func(d *Delivery) bool { return match(*d) })
}

// await counts what came before and registers for what comes after, under one lock, so that nothing falls between.
func (s *scope) await(ctx context.Context, what string, n int, prior func() int, take func(*Delivery) bool) error {
	r := s.r
	w := &waiter{done: make(chan struct{}), take: func(d *Delivery) bool { return s.covers(d) && take(d) }}
	r.mu.Lock()
	if w.left = n - prior(); w.left <= 0 {
		r.mu.Unlock()
		return nil
	}
	r.waiters[w] = struct{}{}
	r.mu.Unlock()

	var cause error
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-r.closing.Done():
		cause = ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiters, w)
	if w.left <= 0 {
		return nil // it came at the last moment
	}
	return fmt.Errorf("%s: %d of %d %s came: %w", r.base+s.path, n-w.left, n, what, cause)
}

// total sums over the ledgers of the scope. The caller holds the lock.
func (s *scope) total(of func(*ledger) int) (n int) {
	for _, l := range s.ledgers() {
		n += of(l)
	}
	return n
}

func arrived(ledgers []*ledger, key idKey) bool {
	for _, l := range ledgers {
		if l.seen[key].n > 0 {
			return true
		}
	}
	return false
}
