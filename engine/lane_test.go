package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

func callsOf(dues []core.Due) []string {
	out := make([]string, len(dues))
	for i, d := range dues {
		out[i] = d.Call
	}
	return out
}

func TestBacklogBeyondTheWindowIsTakenInOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		dues := b.add("w", 3000)
		l := b.byHook["w"]
		if len(l.queue) > laneWindow {
			b.t.Errorf("%d calls in memory, want at most %d", len(l.queue), laneWindow)
		}
		if got := b.drainAll(); !slices.Equal(got, callsOf(dues)) {
			b.t.Errorf("%d calls were taken, want %d in order, each once", len(got), len(dues))
		}
	})
}

// A commit is decided before the window is refilled and applied after: its rows lie before the cursor.
func TestRowsThatComeInBeforeTheCursorAreFound(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		early := b.due("w", milli(time.Now()))
		b.pass(time.Second)
		b.add("w", 600)
		b.drainAll()
		b.commit(early)
		if got := b.drainAll(); !slices.Equal(got, []string{early.Call}) {
			b.t.Errorf("taken %v, want %s", got, early.Call)
		}
		b.add("w", 600)
		under := b.takeAll(10)
		b.commit(b.due("w", early.At))
		if got := b.drainAll(); len(got) != 601-len(under) {
			b.t.Errorf("taken %d, want all but the %d under way", len(got), len(under))
		}
	})
}

// A refill may see a commit's rows before the lanes are told of it.
func TestRowsSeenBeforeTheyAreToldAreTakenOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		first := b.add("w", laneWindow+1)
		late := b.due("w", milli(time.Now()))
		b.put([]core.Due{late})
		var got []string
		for len(got) < len(first)+1 {
			flights := b.takeAll(1)
			got = append(got, flights[0].Call)
			if flights[0].Call == late.Call {
				b.committed(committed{dues: []core.Due{late}})
			}
			b.quick(flights...)
		}
		if more := b.drainAll(); len(more) != 0 {
			b.t.Errorf("taken again: %v", more)
		}
	})
}

func TestTimersWakeLanes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		now := milli(time.Now())
		hour, minute := b.due("w", now.Add(time.Hour)), b.due("w", now.Add(time.Minute))
		b.commit(hour)
		b.commit(minute) // sooner than what the lane sleeps for
		if got := b.takeAll(10); len(got) != 0 {
			b.t.Fatalf("taken %v before its time", hooks(got))
		}
		if p := b.pause(); p != time.Minute {
			b.t.Errorf("the pump rests %s, want a minute", p)
		}
		b.pass(time.Minute)
		if got := b.drainAll(); !slices.Equal(got, []string{minute.Call}) {
			b.t.Errorf("taken %v, want %s", got, minute.Call)
		}
		if p := b.pause(); p != maxRest {
			b.t.Errorf("the pump rests %s, want %s", p, maxRest)
		}
		b.pass(59 * time.Minute)
		if got := b.drainAll(); !slices.Equal(got, []string{hour.Call}) {
			b.t.Errorf("taken %v, want %s", got, hour.Call)
		}
	})
}

func TestDisabledLaneDropsAndEnabledLaneRevives(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		dues := b.add("w", 1000)
		flights := b.takeAll(2)
		tell := func(e core.Event) { b.committed(committed{events: []core.Recorded{{At: milli(time.Now()), Event: e}}}) }
		tell(core.WebhookDisabled{Company: "a", Webhook: "w"})
		if got := b.takeAll(100); len(got) != 0 {
			b.t.Errorf("taken %v of a disabled webhook", hooks(got))
		}
		b.check()
		tell(core.WebhookEnabled{Company: "a", Webhook: "w"})
		b.quick(flights...)
		if got := b.drainAll(); !slices.Equal(got, callsOf(dues)[2:]) {
			b.t.Errorf("%d calls taken after the revival, want %d", len(got), len(dues)-2)
		}
	})
}

func TestLeaseThatEndsIsTaskedAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("w", 1)
		f := b.takeAll(10)[0]
		b.pass(31 * time.Second)
		b.lookAfter()
		again := b.takeAll(10)
		if len(again) != 1 || again[0].Call != f.Call || again[0].lease != 1 || again[0].attempt != 1 {
			b.t.Fatalf("taken %+v, want the same attempt under its second lease", again)
		}
		b.check()
		b.answer(f, ports.ClassOK, 0, time.Time{}) // the outcome of the first lease, late
		b.check()
		if n := b.underWay(); n != 0 {
			b.t.Errorf("%d flights left", n)
		}
	})
}

func TestDoubtfulBusGetsAProbeOfOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		for i := range 20 {
			b.add(fmt.Sprintf("w%d", i), 10)
		}
		b.putBack(b.takeAll(64)...)
		b.check()
		probe := b.takeAll(64)
		if len(probe) != 1 || len(b.takeAll(64)) != 0 {
			b.t.Fatalf("%d flights while the bus is in doubt, want 1", len(probe))
		}
		b.quick(probe...)
		if got := b.takeAll(64); len(got) != 64 {
			b.t.Errorf("%d flights after the bus has carried, want 64", len(got))
		}
		b.check()
	})
}

// A webhook that is idle many times must not push itself, or another that is busy, out of the lanes.
func TestIdleListNamesALaneOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("busy", 1)
		b.drainAll()
		first := b.byHook["busy"]
		for range maxIdle + 10 {
			b.add("w", 1)
			b.quick(b.takeAll(10)...)
		}
		if b.byHook["busy"] != first {
			b.t.Error("lane busy was forgotten, though only two webhooks exist")
		}
		b.check()
	})
}

func TestForgottenLanesAreFoundAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		for i := range maxIdle + 100 {
			b.add(fmt.Sprintf("w%d", i), 1)
			b.quick(b.takeAll(10)...)
		}
		if n := len(b.byHook); n > maxIdle {
			b.t.Errorf("%d lanes without work, want at most %d", n, maxIdle)
		}
		b.add("w0", 3)
		flights := b.takeAll(1)
		for i := range maxIdle + 100 { // while w0 works, all others are idle once more
			b.add(fmt.Sprintf("x%d", i), 1)
			b.quick(b.takeAll(10)...)
		}
		b.quick(flights...)
		b.drainAll()
		b.check()
		if n := b.tries["call_000001"]; n != 1 {
			b.t.Errorf("the first call was taken %d times", n)
		}
	})
}
