package crash

import (
	"cmp"
	"slices"
	"time"
)

// How long an attempt of a fleet can be under way: package engine says so to its dispatchers.
const (
	beginWithin = 10 * time.Second // a task that is not begun by then is dropped
	carryTime   = 5 * time.Second  // allowed from an attempt's last moment to the arrival of its outcome
)

// slack is what a busy processor may be late by: what a process sent before it was dead may be read after.
const slack = time.Second

// A making is a delivery with what the log says of it. One attempt of a call may be made more than once.
type making struct {
	delivery
	attempt int
	record  *attempt // nil if it is not recorded
}

// reasons count repeats.
type reasons struct{ underWay, leases, copies int }

// fleetCall holds the attempts that are recorded of a call against those that were seen. Each record is of one delivery, by its time and
// status. Two things are allowed beside that, each for one cause:
//
//   - A delivery that is not recorded: its dispatcher was killed before the outcome was on the broker, or it is a copy of a task whose
//     outcome is recorded once.
//   - An attempt that is made again: see repeat.
func (v *verdict) fleetCall(c call, seen []delivery) {
	records := v.t.attempts[c.ID]
	makings := v.match(c, records, seen)
	stored, done := map[int]time.Time{}, time.Time{}
	for _, r := range records {
		if _, ok := stored[r.Attempt]; !ok {
			stored[r.Attempt] = r.stored
		}
		if r.Status/100 == 2 && done.IsZero() {
			done = r.stored
		}
	}
	of := map[int][]making{}
	for _, m := range makings {
		n := m.attempt
		if m.record == nil {
			n = current(stored, m.at)
		}
		of[n] = append(of[n], m)
	}
	for n := range len(of) {
		if _, ok := stored[n+1]; !ok {
			v.fault(open, "call %s: attempt %d was made and is not recorded", c.ID, n+1)
			continue
		}
		v.attempt(c, of[n+1], stored[n+1], done)
	}
	v.end(c, len(stored), !done.IsZero())
}

// current is the attempt that something which came then was a making of: the first whose outcome was not stored yet, else the last.
func current(stored map[int]time.Time, at time.Time) int {
	n := 1
	for n < len(stored) && stored[n].Before(at) {
		n++
	}
	return n
}

// match gives each delivery its record, in the order of time. No two records have the same delivery.
func (v *verdict) match(c call, records []attempt, seen []delivery) []making {
	out := make([]making, len(seen))
	for i, d := range seen {
		out[i].delivery = d
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b attempt) int { return cmp.Compare(a.StartedAt.UnixMilli(), b.StartedAt.UnixMilli()) })
	for i, r := range records {
		last := r.StartedAt.Add(time.Duration(r.TookMS)*time.Millisecond + slack)
		at := slices.IndexFunc(out, func(m making) bool {
			return m.record == nil && m.status == r.Status && !m.at.Before(r.StartedAt) && !m.at.After(last)
		})
		if at < 0 {
			v.fault(unseen, "call %s: attempt %d in epoch %d, lease %d is recorded with status %d", c.ID, r.Attempt, r.Epoch, r.Lease, r.Status)
			continue
		}
		out[at].record, out[at].attempt = &records[i], r.Attempt
	}
	return out
}

// attempt judges the makings of one attempt, whose first outcome was stored at the time given; done is when the call's success was.
func (v *verdict) attempt(c call, makings []making, stored, done time.Time) {
	var diedWith *kill // the last that took an outcome with it
	for i, m := range makings {
		if i > 0 {
			v.repeat(c, makings[:i], m, stored, diedWith)
		} else if !done.IsZero() && m.at.After(done.Add(beginWithin)) {
			v.fault(repeated, "call %s: message %s came to %s %s after its success was stored", c.ID, c.Message, c.path, m.at.Sub(done))
		}
		if m.record == nil {
			diedWith = v.unrecorded(c, makings, i)
		}
	}
}

// unrecorded judges a making that the log does not know: its dispatcher died with the outcome, by the kill that it returns, or another made
// the same task.
func (v *verdict) unrecorded(c call, makings []making, n int) *kill {
	m := makings[n]
	if k := v.deathAfter(m.at); k != nil {
		k.unknown++
		return k
	}
	for _, other := range makings {
		if other.record != nil && m.at.Sub(other.at).Abs() <= beginWithin+slack {
			return nil
		}
	}
	v.fault(unknown, "call %s: message %s came to %s at %s and no dispatcher died with it, but it is not recorded",
		c.ID, c.Message, c.path, m.at.Format(time.StampMilli))
	return nil
}

// deathAfter is the first death of a dispatcher that can have taken the outcome of what came then.
func (v *verdict) deathAfter(at time.Time) *kill {
	from, until := at.Add(-slack), v.left(at)
	for i := range v.kills { // in the order of time
		if k := &v.kills[i]; k.kind == DispatcherKilled && !k.at.Before(from) && !k.at.After(until) {
			return k
		}
	}
	return nil
}

// left is until when the outcome of what came then may have been in its dispatcher: longer while the broker takes nothing.
func (v *verdict) left(at time.Time) time.Time {
	until := at.Add(longest + carryTime)
	for _, k := range v.kills { // in the order of time
		if back := k.at.Add(k.back + carryTime); k.kind == BrokerKilled && k.at.Before(until) && at.Before(back) && back.After(until) {
			until = back
		}
	}
	return until
}

// repeat judges an attempt that was made again. That is right
//
//   - if a SIGKILL fell while it was under way, from its task, which may be as old as a task can be begun, to the commit of its outcome:
//     the engine forgets what it has tasked, a dispatcher the attempts and outcomes that it has, and of what the broker was
//     told then nobody knows whether it has it;
//   - if its lease had ended without an outcome, for the broker held that back, or the task;
//   - if it is a copy: a dispatcher or the broker went before it was noted that the task had been taken. Then it comes to another
//     dispatcher while it may still be begun.
//
// Never is it right so long after the outcome was stored that no task from before could be begun.
func (v *verdict) repeat(c call, before []making, m making, stored time.Time, diedWith *kill) {
	v.repeats++
	first, last := before[0].at, before[len(before)-1].at
	if m.at.After(stored.Add(beginWithin + slack)) {
		v.fault(repeated, "call %s: message %s came to %s %s after the attempt's outcome was stored", c.ID, c.Message, c.path, m.at.Sub(stored))
		return
	}
	k := v.lastKill(first.Add(-beginWithin), earliest(stored, m.at), func(k *kill) bool { return k.how == sigkill })
	if diedWith != nil && diedWith.at.Before(m.at) {
		k = diedWith
	}
	if k != nil {
		k.repeated++
		v.because.underWay++
		return
	}
	if ended := first.Add(v.t.timeout + carryTime); !m.at.Before(ended) && !stored.Before(ended) {
		v.because.leases++
		return
	}
	if m.at.Sub(last) <= beginWithin+slack && v.disturbed(last.Add(-slack), m.at) {
		v.because.copies++
		return
	}
	v.fault(repeated, "call %s: message %s came to %s at %s and again at %s, its outcome was stored at %s, and no kill explains it",
		c.ID, c.Message, c.path, last.Format(time.StampMilli), m.at.Format(time.StampMilli), stored.Format(time.StampMilli))
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// lastKill is the last one of its kind between two times.
func (v *verdict) lastKill(from, to time.Time, is func(*kill) bool) (found *kill) {
	for i := range v.kills {
		if k := &v.kills[i]; is(k) && !k.at.Before(from) && !k.at.After(to) {
			found = k
		}
	}
	return found
}

// disturbed tells whether a dispatcher or the broker was on its way out or back in that time.
func (v *verdict) disturbed(from, to time.Time) bool {
	return slices.ContainsFunc(v.kills, func(k kill) bool {
		return k.kind != EngineKilled && !k.at.After(to) && !k.at.Add(k.back+carryTime).Before(from)
	})
}
