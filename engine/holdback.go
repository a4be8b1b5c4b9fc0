package engine

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// holdBack tells whether a lane may not begin a flight now: its webhook has an open breaker, or asked for fewer attempts. It is given another
// turn when it may. A flight that is to read the webhook is judged when that is known.
func (ls *lanes) holdBack(l *lane) bool {
	if l.limiter == nil && l.breaker == nil || l.target == nil {
		return false
	}
	if b := l.breaker; b != nil && b.open() {
		if l.probing != nil {
			return true // its end gives the lane another turn
		}
		if b.until.After(time.Now()) {
			ls.wakeAfter(l, b.until)
			return true
		}
	}
	if l.limiter == nil {
		return false
	}
	now := time.Now()
	r := l.limiter.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	r.CancelAt(now) // it may have nothing to send
	if delay > 0 {
		ls.wakeAfter(l, now.Add(delay))
	}
	return delay > 0
}

// wakeAfter gives a lane another turn at a time of the monotonic clock.
func (ls *lanes) wakeAfter(l *lane, until time.Time) {
	if !l.holdsTo.IsZero() && !until.Before(l.holdsTo) {
		return
	}
	l.holdsTo = until
	heap.Push(&ls.heldBack, sleeper{at: until, lane: l})
}

// wakeHeldBack settles the lanes that may begin a flight again.
func (ls *lanes) wakeHeldBack() {
	for len(ls.heldBack) > 0 && !ls.heldBack[0].at.After(time.Now()) {
		s := heap.Pop(&ls.heldBack).(sleeper) //nolint:forcetypeassert // only wakeAfter pushes
		if s.at.Equal(s.lane.holdsTo) {
			s.lane.holdsTo = time.Time{}
		}
		ls.settle(s.lane, ls.now())
	}
}

// begun notes what a flight means for those after it.
func (l *lane) begun(f *flight) {
	l.orderly = f.Ordered()
	if l.orderly {
		l.alone = f
	}
	if l.target == nil {
		l.reading, f.reads = true, true
		return
	}
	l.charge(f, f.begun)
}

// charge counts a flight as the breaker's probe and as one of its second, and tells whether it may be made.
func (l *lane) charge(f *flight, now time.Time) bool {
	if b := l.breaker; b != nil && b.open() {
		if l.probing != nil || b.until.After(now) {
			return false
		}
		l.probing = f
	}
	return l.limiter == nil || l.limiter.AllowN(now, 1)
}

// ended takes it back.
func (l *lane) ended(f *flight) {
	if l.alone == f {
		l.alone = nil
	}
	if l.probing == f {
		l.probing = nil
	}
	if f.reads {
		l.reading = false
	}
}

// judge counts the outcome of a flight in the lane's breaker, once. A probe that showed nothing leaves the breaker to the next.
func (ls *lanes) judge(f *flight, class ports.Class) {
	l := f.lane
	if !l.guarded || f.answered || !core.Charged(class) {
		return
	}
	if l.breaker == nil {
		l.breaker = &breaker{}
	}
	if !l.breaker.record(class, l.probing == f, time.Now()) {
		return
	}
	if !l.breaker.open() {
		l.limit = min(startFlights, l.most)
	}
	ls.save(l)
}

// probeNow lets an open breaker probe at once: somebody has done something about the receiver.
func (l *lane) probeNow() {
	if l.breaker != nil && l.breaker.open() {
		l.breaker.until = time.Now()
	}
}

// save asks the pump to write the state of a lane's breaker into the log. The lane goes by it already.
func (ls *lanes) save(l *lane) {
	if !l.unsaved {
		l.unsaved = true
		ls.unsaved = append(ls.unsaved, l)
	}
}

// maxSaved is how many breakers are written in one commit.
const maxSaved = 256

// A breakerState is what is to be written of a lane's breaker.
type breakerState struct {
	lane *lane
	breaker
	left time.Duration // until it probes
}

// toSave takes the breakers whose state is to be written now.
func (ls *lanes) toSave() []breakerState {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.unsaved) == 0 || ls.saveFrom.After(time.Now()) {
		return nil
	}
	now := time.Now()
	n := min(len(ls.unsaved), maxSaved)
	out := make([]breakerState, n)
	for i, l := range ls.unsaved[:n] {
		out[i].lane = l
		if l.breaker != nil {
			out[i].breaker, out[i].left = *l.breaker, l.breaker.until.Sub(now)
		}
	}
	ls.unsaved = slices.Delete(ls.unsaved, 0, n)
	return out
}

// saved settles a lane whose breaker has been written. One that could not be, or has changed meanwhile, is written later.
func (ls *lanes) saved(s breakerState, err error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := s.lane
	l.unsaved = false
	if err != nil {
		ls.saveFrom = time.Now().Add(retryPause)
	}
	if err != nil || l.breaker != nil && l.breaker.wait != s.wait {
		ls.save(l)
	}
	ls.settle(l, ls.now())
}

// saveBreakers writes what breakers have changed, in one batch. What the writer does not take is tried again a second later: until then the
// lanes alone know, and a start finds it out anew.
func (p *pump) saveBreakers(ctx context.Context) {
	states := p.lanes.toSave()
	if len(states) == 0 {
		return
	}
	commands := make([]*command, len(states))
	for i, s := range states {
		commands[i] = &command{queued: time.Now(), done: make(chan struct{}), decide: s.decide}
		if err := p.writer.queue(commands[i]); err != nil {
			commands[i].finish(err)
		}
	}
	for i, s := range states {
		err := commands[i].wait(ctx)
		if err != nil && ctx.Err() == nil {
			p.log.Warn("note whether a webhook is held back; it is tried again", "webhook", s.lane.webhook, "error", err)
		}
		p.lanes.saved(s, err)
	}
}

func (s breakerState) decide(b *batch) (core.Decision, error) {
	if s.open() {
		return core.OpenBreaker(b.State, b.now, s.lane.company, s.lane.webhook, s.reason, max(s.left, 0))
	}
	return core.CloseBreaker(b.State, s.lane.company, s.lane.webhook)
}
