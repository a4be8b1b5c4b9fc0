package engine

import (
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
	window   int   // below maxWindow while the bus is in doubt
	doubt    error // why it is
	wake     chan struct{}
	fresh    int // bytes of queued calls that carry their row
	voided   int // counts commits that may have ended a queued call: what came before has to be read again
	clock    *clock
}

func newLanes(clock *clock) *lanes {
	return &lanes{
		byHook: map[string]*lane{}, round: newRound(), flights: map[string]*flight{}, doubted: map[string]int{}, window: maxWindow,
		wake: make(chan struct{}, 1), clock: clock,
	}
}

// now is the engine's time, as the writer has it: the calls of a commit are due at once.
func (ls *lanes) now() time.Time { return ls.clock.now() }

// committed takes over what a commit brought: outcomes end flights, due calls join their lanes, changed webhooks are read anew.
func (ls *lanes) committed(c committed) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	reported := make(map[string]struct{}, len(c.outcomes))
	for _, o := range c.outcomes {
		ls.land(o)
		reported[o.Call] = struct{}{}
	}
	for _, e := range c.events {
		ls.follow(e.Event)
		if call, ended := endOf(e.Event); ended {
			if _, flew := reported[call]; !flew {
				ls.voided++ // it may stand in a queue
			}
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
	ls.nudge()
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
	l.target = nil
	l.change++
	switch e.(type) {
	case core.WebhookDisabled, core.WebhookDeleted:
		ls.fresh -= l.drop()
	case core.WebhookEnabled:
		l.closed, l.cursor, l.behind = false, nil, true
		ls.settle(l, ls.now())
	}
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
	switch {
	case l.wants(now):
		ls.round.join(l)
	case !l.nextDue.IsZero():
		ls.sleep(l)
	case l.flights == 0 && !l.idle:
		l.idle = true
		ls.idle = append(ls.idle, l)
		ls.forgetIdle()
	}
}

// forgetIdle bounds the lanes without work. The list may name a lane that has work again; it is passed over, and named again when
// it is idle the next time.
func (ls *lanes) forgetIdle() {
	for len(ls.idle) > maxIdle {
		l := ls.idle[0]
		ls.idle = ls.idle[1:]
		l.idle = false
		if l.flights == 0 && len(l.queue) == 0 && !l.behind && l.nextDue.IsZero() && !l.queued {
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
