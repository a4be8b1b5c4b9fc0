package load

import "time"

// result sums up the ledger when nothing more is noted in it.
func (l *ledger) result(g Generated) *Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Result{
		Generator: Generator{Planned: g.Planned, Sent: g.Sent, PerSecond: perSecond(g.Sent-1, g.Took), Held: g.Held(), Late: l.late.sum()},
		Accepted:  l.counts.accepted, AcceptedPerSecond: perSecond(l.counts.accepted, l.lastAccepted),
		DeliveredPerSecond: perSecond(l.counts.arrived, l.lastArrived),
		Expected:           l.counts.expected, Deliveries: l.deliveries, Repeats: l.repeats, OutOfOrder: l.outOfOrder, Unchecked: l.unchecked,
		Accept: l.accept.sum(), Arrival: l.arrival.sum(), Duplicated: l.duplicated.sorted(), Bad: l.bad.sorted(),
		Refused: l.failures.sorted(), refusal: l.firstFailure,
	}
	if l.firstFailure != nil {
		r.FirstRefusal = l.firstFailure.Error()
	}
	for id, came := range l.early { // nobody claimed them
		l.strange.add(id + " at " + (*came)[0].Path)
	}
	r.Strange = l.strange.sorted()
	l.sumSlots(r)
	return r
}

// sumSlots compares what was accepted with what came.
func (l *ledger) sumSlots(r *Result) {
	r.Classes = make([]Class, len(l.classes))
	for i := range r.Classes {
		r.Classes[i] = Class{Fault: "none", Arrival: l.classes[i].sum()}
		if i < len(l.faults) {
			r.Classes[i].Fault = l.faults[i].Class()
		}
	}
	for n, state := range l.states {
		if state != accepted {
			continue
		}
		c := &r.Classes[l.struck[n]]
		for i, s := range l.slots[n*l.fan : (n+1)*l.fan] {
			c.count(s)
			name := l.name(n, n%l.companies*l.fan+i)
			switch {
			case s.tries == 0:
				c.Lost++
				r.Lost.add(name)
			case l.ended(n, s):
				c.Right++
				fallthrough
			default:
				r.Arrived++
			}
			if s.tries > 0 && !l.ended(n, s) {
				r.Unfinished.add(name)
			}
		}
	}
	r.Lost, r.Unfinished = r.Lost.sorted(), r.Unfinished.sorted()
}

func (c *Class) count(s slot) {
	c.Expected++
	c.Deliveries += int(s.tries)
	if s.tries > 0 {
		c.Arrived++
	}
	if s.flags&confirmed != 0 {
		c.Confirmed++
	}
}

func perSecond(n int, took time.Duration) float64 {
	if n <= 0 || took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}

// snapshot is what progress and samples show.
func (l *ledger) snapshot() (c counts, p50, p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	us := l.arrival.ValueAtPercentiles([]float64{50, 99})
	return l.counts, time.Duration(us[50]) * time.Microsecond, time.Duration(us[99]) * time.Microsecond
}
