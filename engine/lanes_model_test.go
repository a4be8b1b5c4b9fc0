package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A laneModel adds to a laneBench what must be: every due time of every call is taken exactly once, unless its lease ended.
type laneModel struct {
	*laneBench

	want    map[string]time.Time // calls that are to be taken, and from when on
	ordered map[string][]string  // by webhook: ordered calls that have not ended
	flying  []*flight
	expired map[string]bool // calls whose lease has ended: they may be taken again
}

// noDeadline hides the test's deadline, which is not to be had in a bubble.
type noDeadline struct{ rapid.TB }

// TestLanesModel: whatever comes in whatever order, every call is taken once for each time that it is due, and the books agree.
func TestLanesModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(r *rapid.T) {
			m := &laneModel{laneBench: newLaneBench(r), want: map[string]time.Time{}, ordered: map[string][]string{}, expired: map[string]bool{}}
			r.Repeat(map[string]func(*rapid.T){
				"add":    m.addSome,
				"before": m.addUntold,
				"take":   m.takeSome,
				"hear":   m.hearSome,
				"land":   m.landSome,
				"pass": func(r *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(r, "ms")) * time.Millisecond)
					m.lookAfter()
				},
				"put back": m.putSomeBack,
				"lose":     m.lose,
				"cancel":   m.cancelOne,
				"pause":    m.pauseOne,
				"restart":  m.restart,
				"":         func(*rapid.T) { m.check() },
			})
			m.finish(r)
		})
	})
}

func (m *laneModel) draw(r *rapid.T) core.Due {
	hook := fmt.Sprintf("c%d/%d", rapid.IntRange(0, 2).Draw(r, "company"), rapid.IntRange(0, 2).Draw(r, "webhook"))
	if rapid.IntRange(0, 2).Draw(r, "ordered") == 0 {
		return m.drawOrdered(hook)
	}
	d := m.due(hook, milli(time.Now()).Add(time.Duration(rapid.IntRange(-50, 2000).Draw(r, "due"))*time.Millisecond))
	m.want[d.Call] = d.At
	return d
}

func (m *laneModel) drawOrdered(hook string) core.Due {
	d := m.due(hook, milli(time.Now()))
	d.Place = d.At
	m.want[d.Call] = d.At
	m.ordered[hook] = append(m.ordered[hook], d.Call)
	return d
}

// tookOrdered holds an ordered call to its order: it is the first that has not ended, and no other flight is beside it.
func (m *laneModel) tookOrdered(r *rapid.T, f *flight) {
	if open := m.ordered[f.Webhook]; f.Ordered() && (len(open) == 0 || open[0] != f.Call) {
		r.Fatalf("%s was taken while %v are open", f.Call, open)
	}
	for _, other := range m.flights {
		if other != f && other.lane == f.lane && (f.Ordered() || other.Ordered()) {
			r.Fatalf("%s and %s are under way at once", f.Call, other.Call)
		}
	}
}

// endOrdered takes a call that has ended off the list.
func (m *laneModel) endOrdered(d core.Due) {
	m.ordered[d.Webhook] = slices.DeleteFunc(m.ordered[d.Webhook], func(call string) bool { return call == d.Call })
}

func (m *laneModel) addSome(r *rapid.T) {
	dues := make([]core.Due, rapid.SampledFrom([]int{1, 1, 2, 2, 5, 5, 5, 600}).Draw(r, "n"))
	for i := range dues {
		if i < 5 {
			dues[i] = m.draw(r)
			continue
		}
		if dues[0].Ordered() {
			dues[i] = m.drawOrdered(dues[0].Webhook)
			continue
		}
		dues[i] = m.due(dues[0].Webhook, dues[0].At) // the rest of a backlog need not be drawn
		m.want[dues[i].Call] = dues[i].At
	}
	m.commit(dues...)
}

// addUntold lets the pump look into the store between a commit and its telling.
func (m *laneModel) addUntold(r *rapid.T) {
	d := m.draw(r)
	m.put([]core.Due{d})
	m.takeSome(r)
	m.committed(committed{dues: []core.Due{d}})
}

func (m *laneModel) takeSome(r *rapid.T) {
	now := time.Now()
	for _, f := range m.takeAll(rapid.SampledFrom([]int{1, 3, 64}).Draw(r, "most")) {
		at, ok := m.want[f.Call]
		switch {
		case ok && at.After(now):
			r.Fatalf("%s was taken at %s, it is due at %s", f.Call, now, at)
		case !ok && !m.expired[f.Call]:
			r.Fatalf("%s was taken twice", f.Call)
		}
		m.tookOrdered(r, f)
		delete(m.want, f.Call)
		delete(m.expired, f.Call)
		m.flying = append(m.flying, f)
	}
}

func (m *laneModel) pick(r *rapid.T) *flight {
	if len(m.flying) == 0 {
		return nil
	}
	i := rapid.IntRange(0, len(m.flying)-1).Draw(r, "flight")
	f := m.flying[i]
	m.flying = append(m.flying[:i:i], m.flying[i+1:]...)
	return f
}

func (m *laneModel) landSome(r *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(r, "n") {
		f := m.pick(r)
		if f == nil || m.flights[f.Call] != f {
			continue // its lease has ended; that outcome is lost
		}
		m.landOne(r, f)
	}
}

// hearSome lets outcomes arrive whose commits are yet to come.
func (m *laneModel) hearSome(r *rapid.T) {
	for _, f := range m.flying {
		if rapid.Bool().Draw(r, "hear") {
			m.hear(f, ports.ClassOK, time.Duration(rapid.SampledFrom([]int{1, 2000}).Draw(r, "took"))*time.Millisecond)
		}
	}
}

func (m *laneModel) landOne(r *rapid.T, f *flight) {
	class := rapid.SampledFrom([]ports.Class{ports.ClassOK, ports.ClassStatus, ports.ClassTimeout, ports.ClassConnect}).Draw(r, "class")
	next := time.Time{}
	if class != ports.ClassOK && m.tries[f.Call] < 3 {
		next = milli(time.Now()).Add(time.Duration(rapid.IntRange(1, 3000).Draw(r, "wait")) * time.Millisecond)
		m.want[f.Call] = next
	} else {
		m.endOrdered(f.Due)
	}
	m.answer(f, class, time.Duration(rapid.SampledFrom([]int{1, 2000}).Draw(r, "took"))*time.Millisecond, next)
}

func (m *laneModel) putSomeBack(r *rapid.T) {
	if f := m.pick(r); f != nil && m.flights[f.Call] == f {
		m.expired[f.Call] = true
		m.putBack(f)
	}
}

// lose lets every lease that runs now end without an outcome.
func (m *laneModel) lose(*rapid.T) {
	for _, f := range m.flying {
		if m.flights[f.Call] == f {
			m.expired[f.Call] = true
		}
	}
	m.flying = nil
	time.Sleep(time.Minute)
	m.lookAfter()
}

// cancelOne ends a call that waits, the first ordered one of its webhook where there is one.
func (m *laneModel) cancelOne(r *rapid.T) {
	for _, l := range m.byHook {
		it := l.waitsFor(m.now())
		if it == nil || rapid.Bool().Draw(r, "spare") {
			continue
		}
		d := it.Due
		delete(m.want, d.Call)
		delete(m.expired, d.Call)
		m.endOrdered(d)
		m.put(nil, d)
		m.committed(committed{events: []core.Recorded{{Event: core.CallCancelled{CallEnded: core.CallEnded{Call: d.Call, Company: d.Company}}}}})
		return
	}
}

// pauseOne pauses a webhook and resumes it; between, its lane holds nothing.
func (m *laneModel) pauseOne(r *rapid.T) {
	hook := fmt.Sprintf("c%d/%d", rapid.IntRange(0, 2).Draw(r, "company"), rapid.IntRange(0, 2).Draw(r, "webhook"))
	tell := func(e core.Event) { m.committed(committed{events: []core.Recorded{{Event: e}}}) }
	tell(core.WebhookPaused{Company: companyOfHook(hook), Webhook: hook})
	m.addSome(r)
	m.landSome(r)
	if l := m.byHook[hook]; l != nil && l.paused && len(l.held) != l.flights {
		r.Fatalf("a paused lane holds %d calls in memory", len(l.held)-l.flights)
	}
	tell(core.WebhookResumed{Company: companyOfHook(hook), Webhook: hook})
}

// restart forgets the lanes, and finds them again by their rows. What was under way is tasked again.
func (m *laneModel) restart(r *rapid.T) {
	m.lose(r)
	m.lanes = newLanes(newClock(time.Now))
	from, to := core.DueRange("")
	seen := map[string]bool{}
	err := m.store.View(context.Background(), func(reader ports.Reader) error {
		for pair, err := range reader.Scan(from, to, false) {
			d, perr := core.ParseDue(pair.Key, pair.Value)
			if err != nil || perr != nil {
				return errors.Join(err, perr)
			}
			if !seen[d.Webhook] {
				m.revive(d)
				m.know(m.byHook[d.Webhook])
			}
			seen[d.Webhook] = true
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
}

// finish answers everything with success until nothing is left.
func (m *laneModel) finish(r *rapid.T) {
	m.lose(r)
	for i := range 20_000 { // ordered calls come one by one
		m.takeSome(r)
		if len(m.flying) == 0 && len(m.want) == 0 && len(m.expired) == 0 {
			break
		}
		for _, f := range m.flying {
			m.endOrdered(f.Due)
			m.quick(f)
		}
		if m.flying = nil; m.pause() > 0 {
			time.Sleep(time.Second)
		}
		if i%32 == 0 {
			m.check()
		}
	}
	if len(m.want)+len(m.expired) > 0 {
		r.Fatalf("%d calls were never taken, %d not tasked again", len(m.want), len(m.expired))
	}
	if len(m.flights) > 0 || m.held != [3]int{} {
		r.Fatalf("%d flights left, held %v", len(m.flights), m.held)
	}
}
