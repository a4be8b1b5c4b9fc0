package engine

import (
	"container/heap"
	"time"
)

// sleepers are lanes whose next call is due later, the earliest first. A lane may stand in it more than once; a wake-up that finds
// nothing to do is harmless.
type sleepers []sleeper

type sleeper struct {
	at   time.Time
	lane *lane
}

func (t sleepers) Len() int           { return len(t) }
func (t sleepers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t sleepers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push implements heap.Interface.
func (t *sleepers) Push(x any) { *t = append(*t, x.(sleeper)) } //nolint:forcetypeassert // only sleep pushes

// Pop implements heap.Interface.
func (t *sleepers) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = sleeper{}
	*t = old[:len(old)-1]
	return last
}

// sleep wakes the lane when a call of it is due.
func (ls *lanes) sleep(l *lane, until time.Time) {
	if !l.wakeAt.IsZero() && !until.Before(l.wakeAt) {
		return // it wakes in time, or before
	}
	l.wakeAt = until
	heap.Push(&ls.sleepers, sleeper{at: until, lane: l})
}

// wakeSleepers settles the lanes whose time has come.
func (ls *lanes) wakeSleepers(now time.Time) {
	for len(ls.sleepers) > 0 && !ls.sleepers[0].at.After(now) {
		s := heap.Pop(&ls.sleepers).(sleeper) //nolint:forcetypeassert // only sleep pushes
		if s.at.Equal(s.lane.wakeAt) {
			s.lane.wakeAt = time.Time{}
		}
		ls.settle(s.lane, now)
	}
}

// maxRest bounds the pump's rest: a wall clock that is set forward, or a machine that wakes, makes calls due and nudges nobody.
const maxRest = 5 * time.Minute

// pause returns how long the pump may rest if nobody nudges it: until the next call is due, or until flights have to be looked
// after.
func (ls *lanes) pause() time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	rest := maxRest
	if len(ls.sleepers) > 0 {
		rest = min(rest, max(0, ls.sleepers[0].at.Sub(ls.now())))
	}
	if len(ls.heldBack) > 0 {
		rest = min(rest, max(0, time.Until(ls.heldBack[0].at)))
	}
	if len(ls.unsaved) > 0 {
		rest = min(rest, max(0, time.Until(ls.saveFrom)))
	}
	if len(ls.flights) > 0 {
		rest = min(rest, lookAfter)
	}
	return rest
}
