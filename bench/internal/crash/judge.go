package crash

import (
	"fmt"
	"slices"
)

// window is how many attempts the engine has under way at the most (ARCHITECTURE.md), and so the most that one kill may repeat.
const window = 1024

// A fault is a promise that was not kept, and by what.
type fault struct{ kind, what string }

// The kinds of faults.
const (
	lost      = "LOST"      // accepted, and never told
	twice     = "TWICE"     // one command made two of what it asked for
	open      = "OPEN"      // a call did not end, or not as its attempts say
	unseen    = "UNSEEN"    // recorded as answered, which the receiver did not see
	unknown   = "UNKNOWN"   // the receiver saw what no call accounts for
	repeated  = "REPEATED"  // attempted again although its outcome was stored, or more often than it was under way
	overtaken = "OVERTAKEN" // of an ordered webhook: came before the call before it had ended
	changed   = "CHANGED"   // other bytes under the same id
	unsigned  = "UNSIGNED"  // did not verify
	different = "DIFFERENT" // the API answers otherwise after `log rebuild`
)

// A verdict is what came of holding the testimonies against each other.
type verdict struct {
	t       *testimony
	faults  []fault
	kills   []kill
	repeats int // attempts that came again because of all kills, those of starts included
	because reasons
	seen    map[place][]delivery
	rows    []sequence // of a sequential run, a webhook each
}

// A place is a message at a path of the receiver.
type place struct{ path, message string }

func (v *verdict) fault(kind, format string, args ...any) {
	v.faults = append(v.faults, fault{kind, fmt.Sprintf(format, args...)})
}

// judge holds what must be so: nothing accepted is lost, every call has ended, the log holds what the receiver saw and nothing else, and
// what came again was under way at a kill.
func (t *testimony) judge() *verdict {
	v := &verdict{t: t, kills: slices.Clone(t.kills), seen: map[place][]delivery{}}
	for _, d := range t.deliveries {
		at := place{d.path, d.message}
		v.seen[at] = append(v.seen[at], d)
	}
	if t.ordered == nil {
		v.candidates()
	} else {
		v.messages()
		for _, h := range t.ordered.hooks {
			v.sequence(h)
		}
	}
	v.bodies()
	of := map[place]bool{}
	for _, c := range t.calls {
		at := place{c.path, c.Message}
		if of[at] {
			v.fault(twice, "call %s: message %s has another call at %s", c.ID, c.Message, c.path)
		}
		of[at] = true
		if t.fleet {
			v.fleetCall(c, v.seen[at])
		} else {
			v.call(c, v.seen[at])
		}
	}
	for at, ds := range v.seen {
		if !of[at] {
			v.fault(unknown, "message %s came to %s %d times, and there is no such call", at.message, at.path, len(ds))
		}
	}
	for _, k := range v.kills {
		if k.unknown > window || k.repeated > window || k.repeated > k.unknown && !t.fleet {
			v.fault(repeated, "kill %d: %d attempts came again, %d were under way, of at most %d", k.number, k.repeated, k.unknown, window)
		}
	}
	for _, path := range t.different {
		v.fault(different, "GET %s", path)
	}
	return v
}

// candidates holds what clients were told against what there is, and each candidate against its calls.
func (v *verdict) candidates() {
	calls := map[string][]call{}
	for _, c := range v.t.calls {
		calls[c.Resource.ID] = append(calls[c.Resource.ID], c)
	}
	keyed, seeds := v.t.candidates[keyedCompany], v.t.candidates[seedCompany]
	v.company(keyed, v.t.told.keyed, 0, calls, steadyPath, flakyPath)
	v.company(seeds, v.t.told.seed, v.t.told.maybe, calls, seedPath)
}

// company checks the candidates of one. Only maybe of them may be such that no client was told of.
func (v *verdict) company(listed []string, told map[string]int, maybe int, calls map[string][]call, paths ...string) {
	there := make(map[string]bool, len(listed))
	for _, id := range listed {
		if there[id] {
			v.fault(twice, "candidate %s is listed twice", id)
		}
		there[id] = true
		v.calls(id, calls[id], paths)
		if _, ok := told[id]; ok {
			continue
		}
		if maybe--; maybe < 0 {
			v.fault(twice, "candidate %s: no client was told of it, and each command was answered once", id)
		}
	}
	for id, n := range told {
		if !there[id] {
			v.fault(lost, "candidate %s, number %d: it was accepted and is not there", id, n)
		}
	}
}

// calls checks that a candidate was told at each path, by one call.
func (v *verdict) calls(candidate string, calls []call, paths []string) {
	for _, path := range paths {
		n := 0
		for _, c := range calls {
			if c.path != path {
				continue
			}
			if n++; len(v.seen[place{path, c.Message}]) == 0 {
				v.fault(lost, "candidate %s: its message %s never came to %s (call %s, %s)", candidate, c.Message, path, c.ID, c.State)
			}
		}
		if n == 0 {
			v.fault(lost, "candidate %s has no call to %s", candidate, path)
		} else if n > 1 {
			v.fault(twice, "candidate %s has %d calls to %s", candidate, n, path)
		}
	}
}

// bodies checks what can be told from deliveries alone.
func (v *verdict) bodies() {
	for at, ds := range v.seen {
		for _, d := range ds {
			if !d.verified {
				v.fault(unsigned, "message %s at %s", at.message, at.path)
			}
			if d.body != ds[0].body {
				v.fault(changed, "message %s at %s", at.message, at.path)
			}
		}
	}
}

// call holds the attempts that are recorded of a call against those that were seen. In each life of the engine they are the same, in the
// same order; only the last one seen before a kill may be missing in the log, for it was under way: its outcome was not stored.
func (v *verdict) call(c call, seen []delivery) {
	next, done := 0, false
	epochs := make([]int, len(seen))
	for i, d := range seen {
		epochs[i] = v.t.epochOf(d.at)
	}
	records := v.t.attempts[c.ID]
	for i, r := range records {
		at := slices.IndexFunc(v.t.epochs, func(e epoch) bool { return e.number == r.Epoch })
		for ; next < len(seen) && epochs[next] < at; next++ {
			v.underWay(c, seen, epochs, next, done)
		}
		if r.Attempt != i+1 || done {
			v.fault(repeated, "call %s: attempt %d is recorded as the %dth, success before it: %v", c.ID, r.Attempt, i+1, done)
		}
		done = done || r.Status/100 == 2
		if next == len(seen) || epochs[next] != at || seen[next].status != r.Status || seen[next].held > 0 {
			v.fault(unseen, "call %s: attempt %d in epoch %d is recorded with status %d", c.ID, r.Attempt, r.Epoch, r.Status)
			continue
		}
		next++
	}
	for ; next < len(seen); next++ {
		v.underWay(c, seen, epochs, next, done)
	}
	v.end(c, len(records), done)
}

// underWay judges a delivery that the log does not know: seen[n], in the epoch epochs[n].
func (v *verdict) underWay(c call, seen []delivery, epochs []int, n int, done bool) {
	last := n+1 == len(seen)
	switch {
	case done:
		v.fault(repeated, "call %s: message %s came to %s although its success was stored", c.ID, c.Message, c.path)
	case epochs[n] == len(v.t.epochs)-1:
		v.fault(unknown, "call %s: message %s came to %s and no kill followed, but it is not recorded", c.ID, c.Message, c.path)
	case !last && epochs[n+1] == epochs[n]:
		v.fault(repeated, "call %s: message %s came to %s again without a kill between", c.ID, c.Message, c.path)
	}
	if !last {
		v.repeats++
	}
	k := v.killOf(epochs[n])
	if k == nil {
		return
	}
	k.unknown++
	if !last {
		k.repeated++
	}
}

// killOf is the kill that ended an epoch; nil if it was killed while it started, or not killed.
func (v *verdict) killOf(at int) *kill {
	if at < 0 {
		return nil
	}
	for i := range v.kills {
		k := &v.kills[i]
		if began := v.t.epochs[at].at; !began.Before(k.began) && began.Before(k.at) {
			return k
		}
	}
	return nil
}

// end checks that a call has ended as its attempts say.
func (v *verdict) end(c call, attempts int, done bool) {
	switch {
	case c.State == "succeeded" && done:
	case c.State == "failed" && !done && attempts == v.t.tries:
	default:
		v.fault(open, "call %s is %s %s after %d attempts, success among them: %v", c.ID, c.State, c.Reason, attempts, done)
	}
}
