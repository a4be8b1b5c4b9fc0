package engine

import (
	"time"

	"golang.org/x/time/rate"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Bounds of one lane.
const (
	startFlights = 4
	maxFlights   = core.MaxInFlight
	slowAnswer   = time.Second
)

// A pace says how much of the global window a lane may share.
type pace int

const (
	unproven pace = iota // has not answered yet
	quick                // its last answer came within slowAnswer
	slow                 // timed out, took longer, or has an attempt under way for longer
)

// A lane is the queue of one webhook's due calls: a window over its parallel ones and, where it has such, one over its ordered ones.
//
// An ordered call flies alone, and nothing else begins while it is under way. It is the first of its window until it has ended: while it
// waits for its next attempt no ordered one behind it begins. Parallel calls, which have no order to keep, pass one that waits, and take
// turns with those that are due: neither kind waits for all of the other.
type lane struct {
	company, webhook string
	target           *target // settings and secret, nil until read and after a change
	change           int     // counts the changes of the webhook
	reading          bool    // a flight is about to read the target; no other begins before

	window           // of parallel calls
	ordered  *window // nil until an ordered call was seen
	held     holdings
	alone    *flight // the ordered call that is under way
	orderly  bool    // the newest flight's call was an ordered one
	closed   bool    // disabled, deleted or paused
	paused   bool    // its rows lie in the store, so it must not be forgotten
	unproved bool    // the target was never read: what the webhook's row says of a breaker is news

	most     int // inFlight of the webhook
	limiter  *rate.Limiter
	guarded  bool     // has a breaker
	breaker  *breaker // nil before the first outcome
	probing  *flight  // the attempt that an open breaker lets through
	unsaved  bool     // the breaker's state is not in the log yet
	pace     pace
	limit    int // of flights that are not answered
	flights  int
	answered int       // flights whose outcomes wait for their commit
	queued   bool      // stands in the round
	idle     bool      // stands among the idle
	parked   bool      // waits for its pace's share of the window
	wakeAt   time.Time // stands among the sleepers for this time
	holdsTo  time.Time // stands among the held back for this time, monotonic
}

// An item is a due call and how often its current attempt has been tasked without an outcome.
type item struct {
	core.Due
	lease  int
	voided int // Fresh holds as long as lanes.voided is this
}

func newLane(company, webhook string) *lane {
	return &lane{company: company, webhook: webhook, held: holdings{}, most: maxFlights, limit: startFlights, unproved: true}
}

// add takes over a due call from a commit, and tells whether it is queued with what it carries. A closed lane keeps nothing: it looks in
// the store when it is opened again.
func (l *lane) add(it item, now time.Time) bool {
	if l.closed {
		return false
	}
	if !it.Ordered() {
		return l.window.add(it, l.held, now)
	}
	if l.ordered == nil {
		l.order(now)
	}
	return l.ordered.addOrdered(it, l.held)
}

// order gives the lane a window of ordered calls. What the other has passed over held none; what it has not seen yet may.
func (l *lane) order(now time.Time) {
	l.ordered = &window{cursor: l.cursor, behind: l.behind || l.timeUp(now)}
}

// refill loads the rows that are due and not in memory.
func (l *lane) refill(r ports.Reader, now time.Time) error {
	if l.lacks(now) {
		others, err := l.window.refill(r, l.webhook, false, l.held, now)
		if err != nil {
			return err
		}
		if others && l.ordered == nil {
			l.ordered = &window{behind: true}
		}
	}
	if l.ordered != nil && l.ordered.lacks(now) {
		if _, err := l.ordered.refill(r, l.webhook, true, l.held, now); err != nil {
			return err
		}
	}
	return nil
}

// short tells whether a window has run empty and the store may have more for it.
func (l *lane) short(now time.Time) bool {
	return l.lacks(now) || l.ordered != nil && l.ordered.lacks(now)
}

// next returns the window whose turn it is, nil when no call may begin now; waits says that one will when others have ended.
func (l *lane) next(now time.Time) (w *window, waits bool) {
	switch {
	case !l.ordersNow(now) || l.orderly && len(l.queue) > 0:
		if len(l.queue) == 0 {
			return nil, false
		}
		return &l.window, false
	case l.flights > 0:
		return nil, true
	}
	return l.ordered, false
}

// ordersNow tells whether the first ordered call is due.
func (l *lane) ordersNow(now time.Time) bool {
	return l.ordered != nil && len(l.ordered.queue) > 0 && !l.ordered.queue[0].At.After(now)
}

// waitsFor returns the ordered call that waits for its next attempt, nil for none.
func (l *lane) waitsFor(now time.Time) *item {
	if l.ordered == nil || len(l.ordered.queue) == 0 || !l.ordered.queue[0].At.After(now) {
		return nil
	}
	return &l.ordered.queue[0]
}

// wants tells whether the lane has something to do now, in memory or in the store.
func (l *lane) wants(now time.Time) bool {
	return !l.closed && (len(l.queue) > 0 || l.behind || l.timeUp(now) ||
		l.ordered != nil && (l.ordersNow(now) || len(l.ordered.queue) == 0 && l.ordered.behind))
}

func (l *lane) timeUp(now time.Time) bool { return !l.nextDue.IsZero() && !l.nextDue.After(now) }

// without tells whether the lane has no work, now or later.
func (l *lane) without() bool {
	return l.flights == 0 && l.empty() && (l.ordered == nil || l.ordered.empty()) && !l.queued && !l.paused && !l.unsaved
}

// drop empties the lane, and returns the bytes that its calls carried.
func (l *lane) drop() (fresh int) {
	fresh = l.window.drop(l.held)
	if l.ordered != nil {
		fresh += l.ordered.drop(l.held)
		l.ordered = nil
	}
	return fresh
}
