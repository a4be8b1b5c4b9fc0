package engine

import (
	"slices"
	"sync"
	"time"

	"posthorn/engine/core"
)

// Bounds of all lanes together.
const (
	maxWindow  = 1024          // flights that are not answered
	maxFlown   = 2 * maxWindow // with those whose outcomes wait for their commit
	slowShare  = maxWindow / 4 // held by slow lanes together
	doubtShare = maxWindow / 2 // held by slow and unproven lanes together: the other half is for those that answer
	newShare   = maxWindow / 8 // beyond that, for the first flight of a lane whose company has none in doubt
	maxFresh   = 32 << 20      // bytes of queued calls that carry their row and what they tell
	rowSize    = 1 << 10       // more than the row of a call takes of them
	maxIdle    = 10_000        // lanes kept without work, for what they have learnt
)

// lanes decides who is called when. It holds no I/O but the refill of a lane's window, and one lock; the pump takes from it, the
// writer tells it of every commit.
type lanes struct {
	mu       sync.Mutex
	byHook   map[string]*lane
	idle     []*lane // lanes that ran out of work, the oldest first; may hold lanes that have work again
	round    *round
	parked   [3][]*lane     // by pace: lanes that wait for their share of the window
	held     [3]int         // by pace: flights
	doubted  map[string]int // flights of slow and unproven lanes, by company
	flights  map[string]*flight
	landing  int // flights that are answered
	sleepers sleepers
	heldBack sleepers         // lanes that have calls due and may not begin one before a time, by the monotonic clock
	waiting  map[string]*lane // by call: lanes whose first ordered call waits for its next attempt
	unsaved  []*lane          // their breakers have changed, and the log does not say so yet
	saveFrom time.Time        // not before then, for it has just failed; monotonic
	window   int              // below maxWindow while the bus is in doubt
	doubt    error            // why it is
	wake     chan struct{}
	fresh    int // bytes of queued calls that carry their row
	voided   int // counts commits that may have ended a queued call: what came before has to be read again
	clock    *clock
}

func newLanes(clock *clock) *lanes {
	return &lanes{
		byHook: map[string]*lane{}, round: newRound(), flights: map[string]*flight{}, doubted: map[string]int{}, window: maxWindow,
		waiting: map[string]*lane{}, wake: make(chan struct{}, 1), clock: clock,
	}
}

// now is the engine's time, as the writer has it: the calls of a commit are due at once.
func (ls *lanes) now() time.Time { return ls.clock.now() }

// committed takes over what a commit brought: outcomes end flights, due calls join their lanes, changed webhooks are read anew.
func (ls *lanes) committed(c committed) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	reported := make(map[string]struct{}, len(c.outcomes))
	var ordered []*flight // those that have ended
	for _, o := range c.outcomes {
		if f := ls.land(o); f != nil && f.Ordered() {
			ordered = append(ordered, f)
		}
		reported[o.Call] = struct{}{}
	}
	for _, e := range c.events {
		ls.follow(e.Event)
		if call, ended := endOf(e.Event); ended {
			if _, flew := reported[call]; !flew {
				ls.voided++ // it may stand in a queue
			}
			ls.stopWaiting(call)
		}
	}
	now := ls.now()
	for _, d := range c.dues {
		if ls.fresh+freshSize(d.Fresh) > maxFresh {
			d.Fresh = nil
		}
		l := ls.lane(d.Company, d.Webhook)
		if l.add(item{Due: d, voided: ls.voided}, now) {
			ls.fresh += freshSize(d.Fresh)
		}
		ls.settle(l, now)
	}
	ls.keepOrder(ordered, c.events)
	ls.nudge()
}

// keepOrder sees to ordered calls whose flights have ended: one that has not, and is not queued again, is still the first. So it is when the
// outcome was of an attempt that had been decided on already, before a crash. The store knows its place.
func (ls *lanes) keepOrder(flown []*flight, events []core.Recorded) {
	for _, f := range flown {
		l := f.lane
		if _, queued := l.held[f.Seq]; queued || l.closed || hasEnded(f.Call, events) {
			continue
		}
		ls.drop(l)
		l.behind = true
		ls.settle(l, ls.now())
	}
}

func hasEnded(call string, events []core.Recorded) bool {
	return slices.ContainsFunc(events, func(e core.Recorded) bool {
		ended, ok := endOf(e.Event)
		return ok && ended == call
	})
}

// stopWaiting takes an ordered call that has ended while it waited out of its lane, which goes on with the next.
func (ls *lanes) stopWaiting(call string) {
	l, ok := ls.waiting[call]
	if !ok {
		return
	}
	delete(ls.waiting, call)
	if l.ordered != nil && len(l.ordered.queue) > 0 && l.ordered.queue[0].Call == call {
		delete(l.held, l.ordered.pop().Seq)
		ls.settle(l, ls.now())
	}
}

// freshSize is how much memory a queued call holds beyond its place. What the calls of one message share is counted for each.
func freshSize(f *core.FreshCall) int {
	if f == nil {
		return 0
	}
	return rowSize + len(f.Resource) + len(f.Data)
}

// endOf names the call that an event ends.
func endOf(e core.Event) (call string, ok bool) {
	switch e := e.(type) {
	case core.CallSucceeded:
		return e.Call, true
	case core.CallFailed:
		return e.Call, true
	case core.CallCancelled:
		return e.Call, true
	}
	return "", false
}

func (ls *lanes) follow(e core.Event) {
	_, id, ok := webhookOf(e)
	if !ok {
		return
	}
	l, ok := ls.byHook[id]
	if !ok {
		return
	}
	url := ""
	if l.target != nil {
		url = l.target.url
	}
	l.target = nil
	l.change++
	switch e := e.(type) {
	case core.WebhookDisabled, core.WebhookDeleted:
		ls.close(l)
		l.paused, l.breaker = false, nil // enabled again, it begins anew
	case core.WebhookPaused:
		ls.close(l)
		l.paused = true
	case core.WebhookEnabled, core.WebhookResumed:
		ls.reopen(l)
		l.probeNow()
	case core.WebhookUpdated:
		if e.URL != url {
			l.probeNow()
		}
	}
	ls.settle(l, ls.now())
}

// close empties a lane whose webhook is not called for now.
func (ls *lanes) close(l *lane) {
	ls.drop(l)
	l.closed = true
}

// reopen lets a lane go on with what the store holds.
func (ls *lanes) reopen(l *lane) {
	ls.drop(l)
	l.closed, l.paused, l.behind = false, false, true
}

func (ls *lanes) drop(l *lane) {
	if l.ordered != nil && len(l.ordered.queue) > 0 {
		delete(ls.waiting, l.ordered.queue[0].Call)
	}
	ls.fresh -= l.drop()
}

// revive makes the lane of a webhook whose first due row is d. Behind an ordered call that waits may lie others that are due.
func (ls *lanes) revive(d core.Due) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.lane(d.Company, d.Webhook)
	if d.Ordered() {
		l.behind = true
	} else {
		l.nextDue = d.At
	}
	ls.settle(l, ls.now())
}

func (ls *lanes) lane(company, webhook string) *lane {
	l, ok := ls.byHook[webhook]
	if !ok {
		l = newLane(company, webhook)
		ls.byHook[webhook] = l
	}
	return l
}

// settle puts a lane where it belongs: into the round, or asleep until its next call is due, or among the idle.
func (ls *lanes) settle(l *lane, now time.Time) {
	if l.closed {
		ls.rest(l)
		return
	}
	if it := l.waitsFor(now); it != nil {
		ls.waiting[it.Call] = l
		ls.sleep(l, it.At)
	}
	switch {
	case l.wants(now):
		ls.round.join(l)
	case !l.nextDue.IsZero():
		ls.sleep(l, l.nextDue)
	default:
		ls.rest(l)
	}
}

// rest counts a lane that has no work among the idle, but not before it might begin a flight: forgotten, it would begin one at once.
func (ls *lanes) rest(l *lane) {
	if l.idle || !l.without() || ls.holdBack(l) {
		return
	}
	l.idle = true
	ls.idle = append(ls.idle, l)
	ls.forgetIdle()
}

// forgetIdle bounds the lanes without work. The list may name a lane that has work again; it is passed over, and named again when
// it is idle the next time.
func (ls *lanes) forgetIdle() {
	for len(ls.idle) > maxIdle {
		l := ls.idle[0]
		ls.idle = ls.idle[1:]
		l.idle = false
		if l.without() {
			delete(ls.byHook, l.webhook)
		}
	}
}

func (ls *lanes) nudge() { nudge(ls.wake) }

// nudge wakes who listens, now or the next time that it does.
func nudge(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
