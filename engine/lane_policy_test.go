package engine

import (
	"slices"
	"testing"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// read gives the lane of a flight its target, as the pump does, and tells whether the flight may go on.
func (b *laneBench) read(f *flight, t target) bool {
	b.t.Helper()
	ok := b.keepTarget(f, t, f.lane.change)
	if !ok {
		b.handBack(f)
	}
	return ok
}

// What a webhook asked for is known when it was read: until then one flight is enough to read it.
func TestLaneBeginsOneFlightUntilItsWebhookIsRead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.unread = true
		b.add("w", 20)
		first := b.takeAll(100)
		if len(first) != 1 || len(b.takeAll(100)) != 0 {
			b.t.Fatalf("%d flights of a webhook that is not known, want 1", len(first))
		}
		b.read(first[0], target{inFlight: 3})
		more := b.takeAll(100)
		if len(more) != 2 {
			b.t.Errorf("%d flights more, want 2", len(more))
		}
		b.committed(committed{events: []core.Recorded{{Event: core.WebhookUpdated{Company: "a", Webhook: "w"}}}})
		b.quick(more...)
		if again := b.takeAll(100); len(again) != 1 {
			b.t.Errorf("%d flights of a webhook that was changed, want 1", len(again))
		}
		b.check()
	})
}

// A flight that finds its webhook held back goes back to its place, and the lane rests.
func TestFlightThatFindsAnOpenBreakerGoesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.unread = true
		dues := b.add("w", 3)
		now := time.Now().UTC()
		open := &core.Breaker{Since: core.StampOf(now), Until: core.StampOf(now.Add(time.Minute))}
		if b.read(b.takeAll(100)[0], target{guarded: true, breaker: open}) {
			b.t.Fatal("a flight went on although the breaker is open")
		}
		if got := b.takeAll(100); len(got) != 0 || b.pause() != time.Minute {
			b.t.Errorf("%d flights, the pump rests %s; want a minute of rest", len(got), b.pause())
		}
		b.check()
		b.pass(time.Minute)
		probe := b.takeAll(100)
		if len(probe) != 1 || probe[0].Call != dues[0].Call {
			b.t.Fatalf("%d flights when the time is over, want the first call as the probe", len(probe))
		}
		b.release(probe...) // it had ended: the next probes
		if got := b.takeAll(100); len(got) != 1 {
			b.t.Errorf("%d flights after a probe that was none, want 1", len(got))
		}
		b.check()
	})
}

// failing lets a webhook's breaker open.
func (b *laneBench) failing(webhook string) *lane {
	b.t.Helper()
	b.add(webhook, 2*breakerAttempts)
	l := b.byHook[webhook]
	l.guarded = true
	for !l.unsaved {
		for _, f := range b.takeAll(1) {
			b.answer(f, ports.ClassConnect, 0, time.Time{})
		}
	}
	return l
}

func TestBreakerThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		l := b.failing("w")
		states := b.toSave()
		if len(states) != 1 || states[0].left != breakerFirst || len(b.takeAll(100)) != 0 {
			b.t.Fatalf("to be written: %+v; want one breaker that holds back already", states)
		}
		b.saved(states[0], ports.ErrOverloaded)
		if again := b.toSave(); len(again) != 0 || b.pause() != retryPause {
			b.t.Errorf("written again at once: %+v; the pump rests %s", again, b.pause())
		}
		b.pass(retryPause)
		states = b.toSave()
		if len(states) != 1 || states[0].left != breakerFirst-retryPause {
			b.t.Fatalf("to be written: %+v", states)
		}
		l.breaker.hold(time.Minute, time.Now(), "the probe failed while the first was being written")
		b.saved(states[0], nil)
		if states = b.toSave(); len(states) != 1 || states[0].left != time.Minute {
			b.t.Errorf("to be written: %+v, want what has changed meanwhile", states)
		}
		b.saved(states[0], nil)
		if l.unsaved || len(b.toSave()) != 0 {
			b.t.Error("there is more to be written")
		}
	})
}

// After a crash an outcome may be of an attempt that was decided on before: the call has not ended, and no commit names it.
func TestOrderedCallIsStillFirstAfterAnOutcomeThatDecidesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		dues := b.add("w", 0)
		for range 3 {
			d := b.due("w", milli(time.Now()))
			d.Place = d.At
			dues = append(dues, d)
		}
		b.commit(dues...)
		f := b.takeAll(10)[0]
		waits := f.Due
		waits.At = milli(time.Now()).Add(time.Minute)
		b.put([]core.Due{waits})
		b.committed(committed{outcomes: []*core.Outcome{{Company: f.Company, Call: f.Call, Attempt: f.attempt, Class: ports.ClassStatus}}})
		if got := b.takeAll(10); len(got) != 0 {
			b.t.Errorf("%s was taken while the call before it waits", got[0].Call)
		}
		b.check()
		b.pass(time.Minute)
		if got := b.drainAll(); !slices.Equal(got, callsOf(dues)) {
			b.t.Errorf("taken %v, want %v", got, callsOf(dues))
		}
	})
}

// A lane that may not begin a flight yet is kept: forgotten, it would begin one at once.
func TestLaneIsKeptUntilItsRateAllowsAnother(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("w", 1)
		b.byHook["w"].pacing(0.01)
		b.drainAll()
		if b.byHook["w"].idle {
			b.t.Error("the lane stands among the idle right after its attempt")
		}
		b.pass(100 * time.Second)
		b.takeAll(1)
		if !b.byHook["w"].idle {
			b.t.Error("the lane is not idle when it might begin a flight again")
		}
		b.check()
	})
}

// What the proxy or we ourselves do wrong says nothing of the receiver.
func TestLaneIsNotNarrowedByFaultsThatAreNotTheReceivers(t *testing.T) {
	t.Parallel()
	for _, class := range []ports.Class{ports.ClassProxy, ports.ClassInternal, ports.ClassBlocked} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *laneBench) {
				b.add("w", 20)
				b.quick(b.takeAll(4)...)
				l := b.byHook["w"]
				limit := l.limit
				b.answer(b.takeAll(1)[0], class, 10*time.Second, time.Time{})
				if l.limit != limit || l.pace != quick {
					b.t.Errorf("limit %d and pace %d, want %d and quick", l.limit, l.pace, limit)
				}
			})
		})
	}
}
