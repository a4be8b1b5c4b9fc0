package engine

import (
	"context"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// lookAfter is how often flights are looked after: whether they are slow, whether their lease has ended.
const lookAfter = 250 * time.Millisecond

// A flight is an attempt that has been tasked and has no outcome yet.
type flight struct {
	item
	lane    *lane
	attempt int       // 0 until the task is built
	begun   time.Time // monotonic
	expires time.Time // the lease's end, monotonic; zero until the task is built
	overdue bool
	reads   bool // it reads the target of its lane
	// answered says that its outcome is here and waits for its commit: the receiver has room for another.
	answered bool
}

// take returns up to most calls to task now, their flights begun. It reads the store only where a lane's window has run empty.
func (ls *lanes) take(store ports.Store, most int) ([]*flight, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := ls.now()
	ls.wakeSleepers(now)
	ls.wakeHeldBack()
	var out []*flight
	for len(out) < most && len(ls.flights)-ls.landing < ls.window && len(ls.flights) < maxFlown {
		l := ls.round.next()
		if l == nil {
			break
		}
		f, err := ls.takeFrom(l, store, now)
		if err != nil {
			return out, err
		}
		if f != nil {
			out = append(out, f)
		}
	}
	return out, nil
}

// takeFrom begins one flight of the lane whose turn it is. A lane that may not fly now stays out of the round until land or unpark
// puts it back.
func (ls *lanes) takeFrom(l *lane, store ports.Store, now time.Time) (*flight, error) {
	if l.closed || l.flights-l.answered >= l.limit || l.alone != nil || l.reading || ls.holdBack(l) {
		return nil, nil
	}
	if l.pace == unproven && l.flights > 0 && ls.held[slow]+ls.held[unproven] >= doubtShare/2 {
		return nil, nil // where room for doubt is scarce, one attempt shows as much as four; land puts it back
	}
	if ls.free(l.pace) <= 0 && !ls.newcomer(l) {
		if !l.parked {
			l.parked = true
			ls.parked[l.pace] = append(ls.parked[l.pace], l)
		}
		return nil, nil
	}
	if l.short(now) {
		// The lock is held over this read, so that no commit can slip between the snapshot and the cursor. It is a seek and at most
		// laneWindow small rows.
		err := store.View(context.Background(), func(r ports.Reader) error { return l.refill(r, now) })
		if err != nil {
			l.behind = true
			ls.round.join(l)
			return nil, err
		}
	}
	w, waits := l.next(now)
	if w == nil {
		if !waits {
			ls.settle(l, now)
		}
		return nil, nil
	}
	return ls.begin(l, w, now), nil
}

// begin takes a call out of its window and begins its flight.
func (ls *lanes) begin(l *lane, w *window, now time.Time) *flight {
	f := &flight{item: w.pop(), lane: l, begun: time.Now()}
	ls.fresh -= freshSize(f.Fresh)
	if f.voided != ls.voided {
		f.Fresh = nil
	}
	ls.flights[f.Call] = f
	l.flights++
	l.begun(f)
	if f.Ordered() {
		delete(ls.waiting, f.Call)
	}
	ls.hold(l, 1)
	ls.settle(l, now)
	return f
}

// land ends the flight that an outcome belongs to, whatever its lease: the call has moved on. It returns the flight if there is one.
func (ls *lanes) land(o *core.Outcome) *flight {
	ls.window, ls.doubt = maxWindow, nil // the bus carries
	f, ok := ls.flights[o.Call]
	if !ok || f.attempt != o.Attempt {
		return nil
	}
	l := f.lane
	ls.judge(f, o.Class)
	ls.end(f)
	delete(l.held, f.Seq)
	ls.setPace(l, l.learn(o.Class, took(o)))
	now := ls.now()
	ls.settle(l, now)
	ls.unpark(now)
	return f
}

// answered lets lanes begin further flights in place of those whose outcomes are about to be committed: a lane's limit is for the receiver,
// the window for what is under way, and both would else stand still for each sync. Beside a flood, whose flights fill the window, another
// company's call would wait for a commit to find its place. What was slow waits for its commit, for the lane is to learn of it first.
func (ls *lanes) answered(outcomes []core.Outcome) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := ls.now()
	for i := range outcomes {
		o := &outcomes[i]
		f, ok := ls.flights[o.Call]
		if !ok || f.attempt != o.Attempt || f.answered || isSlow(o.Class, took(o)) {
			continue
		}
		ls.judge(f, o.Class) // before its commit, for the next may begin before it
		f.answered = true
		f.lane.answered++
		ls.landing++
		ls.settle(f.lane, now)
	}
	ls.nudge()
}

// took is how long an attempt took.
func took(o *core.Outcome) time.Duration { return time.Duration(o.TookMS) * time.Millisecond }

// end takes a flight out of the books; its row stays held.
func (ls *lanes) end(f *flight) {
	delete(ls.flights, f.Call)
	f.lane.flights--
	f.lane.ended(f)
	if f.answered {
		f.lane.answered--
		ls.landing--
	}
	ls.hold(f.lane, -1)
}

// release ends flights whose calls need no attempt: they have ended, or their rows are gone.
func (ls *lanes) release(fs ...*flight) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := ls.now()
	for _, f := range fs {
		if ls.flights[f.Call] != f {
			continue
		}
		ls.end(f)
		delete(f.lane.held, f.Seq)
		ls.settle(f.lane, now)
	}
	ls.unpark(now)
	ls.nudge()
}

// putBack returns flights to the front of their lanes, to be tasked again, and leaves the window at a probe of one: what should carry
// them is in doubt.
func (ls *lanes) putBack(fs ...*flight) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, f := range fs {
		ls.again(f)
	}
	ls.window = 1
	ls.unpark(ls.now())
}

func (ls *lanes) again(f *flight) {
	f.lease++
	ls.requeue(f)
}

// requeue ends a flight and puts its call first in its window; a closed lane leaves it to its row.
func (ls *lanes) requeue(f *flight) {
	if ls.flights[f.Call] != f {
		return
	}
	l := f.lane
	ls.end(f)
	if l.closed {
		delete(l.held, f.Seq)
		ls.settle(l, ls.now())
		return
	}
	f.Fresh = nil // the row says whether the call is still open
	w := &l.window
	if f.Ordered() {
		if l.ordered == nil {
			l.order(ls.now())
		}
		w = l.ordered
	}
	w.queue = slices.Insert(w.queue, 0, f.item)
	ls.settle(l, ls.now())
}

// lease notes which attempt a flight makes and until when its outcome is waited for. From here on the task carries what it tells.
func (ls *lanes) lease(f *flight, attempt int, until time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	f.attempt, f.expires, f.Fresh = attempt, until, nil
}

// lookAfter marks lanes slow that have had an attempt under way for long, and tasks again what has no outcome at its lease's end. It returns
// how many that were.
func (ls *lanes) lookAfter() (lost int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	for _, f := range ls.flights {
		if !f.overdue && !f.answered && now.Sub(f.begun) > slowAnswer {
			f.overdue = true
			f.lane.limit = 1
			ls.setPace(f.lane, slow)
		}
		if !f.expires.IsZero() && now.After(f.expires) {
			ls.again(f)
			ls.window = 1
			lost++
		}
	}
	ls.unpark(ls.now())
	return lost
}

// suspect notes why the window has fallen to a probe, unless an outcome has come meanwhile.
func (ls *lanes) suspect(cause error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.window < maxWindow {
		ls.doubt = cause
	}
}

// distrust returns why the window is at a probe, nil if it is not.
func (ls *lanes) distrust() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.doubt
}

// underWay counts the flights.
func (ls *lanes) underWay() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.flights)
}
