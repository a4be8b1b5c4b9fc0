package engine

import (
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// isSlow tells whether an attempt showed a receiver that is slow or hangs.
func isSlow(class ports.Class, took time.Duration) bool {
	return class == ports.ClassTimeout || took > slowAnswer
}

// learn adapts to what an attempt showed: a quick answer widens the lane by one, a timeout or a slow answer narrows it to one, no
// connection halves it. What is not the receiver's doing shows nothing.
func (l *lane) learn(class ports.Class, took time.Duration) pace {
	switch {
	case !core.Charged(class):
		return l.pace
	case isSlow(class, took):
		l.limit = 1
		return slow
	case class == ports.ClassOK || class == ports.ClassStatus || class == ports.ClassRedirect:
		l.limit = min(l.limit+1, l.most)
	default:
		l.limit = max(l.limit/2, 1)
	}
	return quick
}

// free is how many more flights lanes of this pace may begin. Slow lanes share a quarter of the window; slow and unproven ones together
// a half, so that however many receivers hang, those that answer find room.
func (ls *lanes) free(p pace) int {
	doubt := doubtShare - ls.held[slow] - ls.held[unproven]
	switch p {
	case slow:
		return min(doubt, slowShare-ls.held[slow])
	case unproven:
		return doubt
	default:
		return maxWindow
	}
}

// newcomer tells whether a lane may try its first flight although the room for doubt is used up: its company has no other in doubt, and
// there is a little room kept for such.
func (ls *lanes) newcomer(l *lane) bool {
	return l.pace == unproven && ls.doubted[l.company] == 0 && ls.held[slow]+ls.held[unproven] < doubtShare+newShare
}

func (ls *lanes) setPace(l *lane, p pace) {
	ls.hold(l, -l.flights)
	l.pace = p
	ls.hold(l, l.flights)
}

// hold counts flights of a lane in or out.
func (ls *lanes) hold(l *lane, flights int) {
	ls.held[l.pace] += flights
	if l.pace == quick {
		return
	}
	if ls.doubted[l.company] += flights; ls.doubted[l.company] == 0 {
		delete(ls.doubted, l.company)
	}
}

// unpark gives lanes that wait for their share another turn.
func (ls *lanes) unpark(now time.Time) {
	for _, p := range []pace{unproven, slow} {
		room, n := ls.free(p), 0
		for ; room > 0 && n < len(ls.parked[p]); n++ {
			l := ls.parked[p][n]
			l.parked = false
			ls.settle(l, now)
			if l.queued {
				room-- // one that wants nothing any more leaves its room to the next
			}
		}
		ls.parked[p] = slices.Delete(ls.parked[p], 0, n)
	}
}
