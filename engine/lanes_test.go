package engine

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

func inBubble(t *testing.T, test func(b *laneBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newLaneBench(t)) })
}

// pass lets fake time pass.
func (*laneBench) pass(d time.Duration) { time.Sleep(d) }

// hooks returns the webhooks of flights, in order.
func hooks(flights []*flight) []string {
	out := make([]string, len(flights))
	for i, f := range flights {
		out[i] = f.Webhook
	}
	return out
}

func TestRoundIsFairByCompanyThenByWebhook(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("big/1", 100)
		b.add("big/2", 100)
		b.add("big/3", 100)
		b.add("small/1", 100)
		got := hooks(b.takeAll(8))
		want := []string{"big/1", "small/1", "big/2", "small/1", "big/3", "small/1", "big/1", "small/1"}
		if !slices.Equal(got, want) {
			b.t.Errorf("turns = %v, want %v", got, want)
		}
		b.check()
	})
}

func TestLaneStartsWithFourAndGrowsTo64(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("w", 2000)
		flights := b.takeAll(1000)
		if len(flights) != startFlights {
			b.t.Fatalf("%d flights at the start, want %d", len(flights), startFlights)
		}
		for range 8 {
			b.quick(flights...)
			b.check()
			flights = b.takeAll(1000)
		}
		if len(flights) != maxFlights {
			b.t.Errorf("%d flights after quick answers, want %d", len(flights), maxFlights)
		}
	})
}

func TestSlowAnswerNarrowsALaneToOne(t *testing.T) {
	t.Parallel()
	for name, land := range map[string]func(*laneBench, *flight){
		"timeout":     func(b *laneBench, f *flight) { b.answer(f, ports.ClassTimeout, 15*time.Second, time.Time{}) },
		"slow answer": func(b *laneBench, f *flight) { b.answer(f, ports.ClassOK, slowAnswer+time.Millisecond, time.Time{}) },
		"under way": func(b *laneBench, _ *flight) {
			time.Sleep(slowAnswer + time.Millisecond)
			b.lookAfter()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *laneBench) {
				b.add("w", 20)
				flights := b.takeAll(100)
				land(b, flights[0])
				if l := b.byHook["w"]; l.pace != slow || l.limit != 1 {
					b.t.Errorf("lane has pace %d and limit %d, want slow and 1", l.pace, l.limit)
				}
				if more := b.takeAll(100); len(more) != 0 {
					b.t.Errorf("%d more flights beside those under way", len(more))
				}
				b.check()
				for _, f := range flights {
					if b.flights[f.Call] == f {
						b.quick(f)
					}
				}
				if got := b.takeAll(100); len(got) == 0 {
					b.t.Error("a lane that answers again is not called")
				}
				b.check()
			})
		})
	}
}

// While a commit is synced its receivers are free. A lane that waited for the sync would leave them, and the processors, idle.
func TestAnAnsweredFlightMakesRoomBeforeItsCommit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.add("w", 20)
		first := b.takeAll(100)
		b.hear(first[0], ports.ClassOK, 0)
		b.hear(first[0], ports.ClassOK, 0) // the bus may bring it twice
		b.hear(first[1], ports.ClassStatus, slowAnswer)
		b.check()
		second := b.takeAll(100)
		if len(second) != 2 {
			b.t.Fatalf("%d flights in the place of 2 that are answered", len(second))
		}
		b.hear(first[2], ports.ClassOK, slowAnswer+time.Millisecond)
		b.hear(first[3], ports.ClassTimeout, time.Second)
		if more := b.takeAll(100); len(more) != 0 {
			b.t.Errorf("%d flights more before the lane has learnt that its receiver is slow", len(more))
		}
		b.quick(second...)
		b.pass(slowAnswer + time.Millisecond) // of the disk, not of the receiver
		b.putBack(first[2], first[3])
		b.lookAfter()
		b.check()
		if l := b.byHook["w"]; l.pace == slow {
			b.t.Error("a lane is slow because its outcomes wait for the disk")
		}
		b.quick(first[:2]...)
		if n := len(b.drainAll()); n != 16 {
			b.t.Errorf("%d calls taken again or later, want 16", n)
		}
		b.check()
	})
}

// A flood's flights fill the window. Another company's call finds its place when one of them is answered, not when that is on the disk.
func TestAnAnsweredFlightLeavesTheWindowBeforeItsCommit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		for i := range 3 * maxWindow {
			b.add(fmt.Sprintf("flood/%d", i), 1)
		}
		for _, l := range b.byHook {
			b.setPace(l, quick) // proven, so that they may have all of the window
		}
		flood := b.takeAll(5000)
		b.add("small/1", 1)
		if got := b.takeAll(64); len(flood) != maxWindow || len(got) != 0 {
			b.t.Fatalf("%d flights, and %d beyond them", len(flood), len(got))
		}
		b.hear(flood[0], ports.ClassOK, 0)
		b.hear(flood[1], ports.ClassOK, 0)
		if got := hooks(b.takeAll(64)); !slices.Contains(got, "small/1") || len(got) != 2 {
			b.t.Errorf("two answers made room for %v", got)
		}
		b.check()
		for _, f := range flood {
			b.hear(f, ports.ClassOK, 0)
		}
		if b.takeAll(5000); b.underWay() != maxFlown {
			b.t.Errorf("%d flights while nothing is committed, want at most %d", b.underWay(), maxFlown)
		}
		b.check()
	})
}

func TestWindowHoldsAtMost1024(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		for i := range 400 { // all proven and wide
			w := fmt.Sprintf("w%d", i)
			b.add(w, 30)
		}
		for range 20 {
			flights := b.takeAll(5000)
			if len(flights) > maxWindow {
				b.t.Fatalf("%d flights", len(flights))
			}
			b.quick(flights[:len(flights)/2]...)
			b.check()
		}
		b.takeAll(5000)
		if n := b.underWay(); n != maxWindow {
			b.t.Errorf("%d flights under load, want %d", n, maxWindow)
		}
	})
}

// hang makes n lanes, each with some flights that have no answer for long.
func (b *laneBench) hang(n, flights int) (out []*flight) {
	b.t.Helper()
	for i := range n {
		b.add(fmt.Sprintf("hang/%d", i), flights)
	}
	out = b.takeAll(5000)
	time.Sleep(slowAnswer + time.Millisecond)
	b.lookAfter()
	return out
}

func TestHangingReceiversLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		hanging := b.hang(1000, 4)
		if len(hanging) != doubtShare {
			b.t.Errorf("%d flights of lanes that never answered, want %d", len(hanging), doubtShare)
		}
		b.add("hang/new", 10)
		if got := b.takeAll(5000); len(got) != 0 {
			b.t.Errorf("%d flights of an unproven lane beyond the share", len(got))
		}
		b.byHook["hang/new"].pace = quick
		b.add("hang/new", 1) // another turn
		if got := b.takeAll(5000); len(got) != startFlights {
			b.t.Errorf("%d flights of a lane that answers, want %d beside all that hang", len(got), startFlights)
		}
		b.check()
	})
}

// However many of one company hang, another company's first call goes out at once; one at a time, and not without bound.
func TestNewcomersOfOtherCompaniesNeedNotWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.hang(1000, 4)
		b.add("new/1", 10)
		b.add("new/2", 10)
		if got := hooks(b.takeAll(5000)); !slices.Equal(got, []string{"new/1"}) {
			b.t.Errorf("flights = %v, want the first of the new company", got)
		}
		for i := range 1000 {
			b.add(fmt.Sprintf("new%d/1", i), 4)
		}
		if got := b.takeAll(5000); len(got) != newShare-1 {
			b.t.Errorf("%d flights of other new companies, want %d", len(got), newShare-1)
		}
		b.check()
	})
}

func TestSlowLanesShareAQuarter(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		for _, f := range b.hang(1000, 4) {
			b.answer(f, ports.ClassTimeout, 15*time.Second, time.Time{})
		}
		b.check()
		seen := map[string]int{}
		for range 40 { // those that time out go on to have turns, and all of them
			flights := b.takeAll(5000)
			if b.held[slow] > slowShare {
				b.t.Fatalf("%d flights of slow lanes, want at most %d", b.held[slow], slowShare)
			}
			for _, f := range flights {
				seen[f.Webhook]++
				b.answer(f, ports.ClassTimeout, 15*time.Second, time.Time{})
			}
			b.check()
		}
		if len(seen) != 1000 {
			b.t.Errorf("%d lanes had a turn, want all 1,000", len(seen))
		}
		if rest := b.due("x", time.Time{}); len(b.drainAll()) != 0 || rest.Seq == 0 {
			b.t.Error("calls are left")
		}
	})
}

// The flights of lanes that are dropped free their share without an answer: those that wait for it must hear of that.
func TestParkedLanesHearOfLeasesThatEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.hang(512, 1)
		b.add("hang/new", 1)
		if got := b.takeAll(100); len(got) != 0 {
			b.t.Fatalf("%d flights, want the new lane parked", len(got))
		}
		for i := range 512 {
			w := fmt.Sprintf("hang/%d", i)
			b.committed(committed{events: []core.Recorded{{Event: core.WebhookDeleted{Company: "hang", Webhook: w}}}})
		}
		time.Sleep(time.Minute) // the leases end
		b.lookAfter()
		if got := hooks(b.takeAll(100)); !slices.Equal(got, []string{"hang/new"}) {
			b.t.Errorf("flights = %v, want the lane that waited", got)
		}
		b.check()
	})
}

// A lane that wants nothing any more must not use up another's wake-up.
func TestDroppedLanesDoNotHoldUpThoseParkedBehind(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		hanging := b.hang(1000, 1)
		b.add("hang/new", 1)
		if got := b.takeAll(100); len(got) != 0 {
			b.t.Fatalf("%d flights, want the new lane parked", len(got))
		}
		for i := range 1000 {
			w := fmt.Sprintf("hang/%d", i)
			b.committed(committed{events: []core.Recorded{{Event: core.WebhookDeleted{Company: "hang", Webhook: w}}}})
		}
		b.quick(hanging[0])
		if got := hooks(b.takeAll(100)); !slices.Equal(got, []string{"hang/new"}) {
			b.t.Errorf("flights = %v, want the lane that waited", got)
		}
		b.check()
	})
}
