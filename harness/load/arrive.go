package load

import (
	"fmt"
	"math"

	"posthorn/harness"
)

// arrived notes a delivery.
func (l *ledger) arrived(d harness.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deliveries++
	if n, ok := l.number(d.ID); ok {
		l.take(n, d)
		return
	}
	if d.ID == "" || len(l.early) >= maxEarly {
		l.strange.add(fmt.Sprintf("%.100q at %s", d.ID, d.Path))
		return
	}
	came := l.early[d.ID]
	if came == nil {
		came = new([]harness.Delivery)
		l.early[d.ID] = came
	}
	d.Body, d.Header = nil, nil
	*came = append(*came, d)
}

// maxEarly is how many ids may wait to be known.
const maxEarly = 100_000

// take notes a delivery of message n. The caller holds the lock.
func (l *ledger) take(n int, d harness.Delivery) {
	hook, known := l.paths[d.Path]
	if l.routed && (!known || hook/l.fan != n%l.companies) {
		l.strange.add(l.id(n) + " at " + d.Path)
		return
	}
	if _, ok := l.own(d.ID); !ok {
		l.struck[n] = uint8(l.fault(d.ID))
	}
	s := &l.slots[n*l.fan+hook%l.fan]
	before := l.ended(n, *s)
	if s.tries < math.MaxUint16 {
		s.tries++
	}
	if s.tries == 1 {
		l.first(n, hook, d)
	} else {
		l.repeats++
	}
	if d.Duplicate && s.flags&duplicated == 0 {
		s.flags |= duplicated
		l.duplicated.add(l.name(n, hook))
	}
	switch {
	case d.Verified():
	case !d.Bad() && !l.signed:
		l.unchecked++
	case s.flags&failing == 0:
		s.flags |= failing
		l.bad.add(l.name(n, hook))
	}
	if d.Status >= 200 && d.Status < 300 {
		s.flags |= confirmed
	}
	if l.states[n] == accepted && !before && l.ended(n, *s) {
		if l.open--; l.open == 0 {
			signal(l.zero)
		}
	}
}

// first notes the times of a message's first arrival at a webhook.
func (l *ledger) first(n, hook int, d harness.Delivery) {
	took := d.At.Sub(l.start) - l.pace.Due(n)
	l.arrival.add(took)
	l.classes[l.struck[n]].add(took)
	l.counts.arrived++
	l.lastArrived = max(l.lastArrived, d.At.Sub(l.start))
	if n < l.newest[hook] {
		l.outOfOrder++
	}
	l.newest[hook] = max(n, l.newest[hook])
}
