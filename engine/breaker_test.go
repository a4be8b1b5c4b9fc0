package engine

import (
	"testing"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

const fault = ports.ClassStatus

func TestBreakerOpensAtTheTenthAttemptOfWhichSevenFailed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name     string
		outcomes string // f fails, . passes
		every    time.Duration
		opens    int // by which outcome, from 1; 0 for never
	}{
		{"all fail", "ffffffffffff", time.Second, 10},
		{"seven of ten", "...fffffff", time.Second, 10},
		{"seven of ten, the last a success", "ffffffff..f", time.Second, 11},
		{"six of ten", "....ffffff", time.Second, 0},
		{"nine", "fffffffff", time.Second, 0},
		{"too seldom", "ffffffffffffffffffff", 31 * time.Second, 10},
		{"much too seldom", "ffffffffffffffffffff", 34 * time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var b breaker
			opened := 0
			for i, o := range test.outcomes {
				class := ports.ClassOK
				if o == 'f' {
					class = fault
				}
				if b.record(class, false, now.Add(time.Duration(i)*test.every)) && opened == 0 {
					opened = i + 1
				}
			}
			if opened != test.opens || b.open() != (test.opens > 0) {
				t.Errorf("opened at outcome %d, want %d", opened, test.opens)
			}
		})
	}
}

func TestBreakerWaitsTwiceAsLongAfterEachProbeThatFails(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Now()
	for range breakerAttempts {
		b.record(fault, false, now)
	}
	for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		if got := b.until.Sub(now); got != want {
			t.Errorf("pause %d is %s, want %s", i+1, got, want)
		}
		if b.record(ports.ClassOK, false, now) || b.record(fault, false, now) {
			t.Error("an outcome that is not the probe's changed the open breaker")
		}
		now = b.until
		b.record(fault, true, now)
	}
	if !b.record(ports.ClassOK, true, now) || b.open() {
		t.Error("a probe that succeeds does not close the breaker")
	}
	for range breakerAttempts - 1 {
		if b.record(fault, false, now) {
			t.Error("a closed breaker has not forgotten what it had counted")
		}
	}
}

// What a restart finds in the row is enough to go on doubling.
func TestRestoredBreakerKnowsHowLongItHasHeldBack(t *testing.T) {
	t.Parallel()
	now, since := time.Now(), time.Now().UTC()
	open := time.Duration(0)
	for _, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		open += wait
		row := core.Breaker{Since: core.StampOf(since), Until: core.StampOf(since.Add(open))}
		b := restored(row, 7*time.Second, now)
		if b.wait != wait || b.until.Sub(now) != 7*time.Second {
			t.Errorf("after %s open: waits %s, %s left; want %s, 7s", open, b.wait, b.until.Sub(now), wait)
		}
	}
	if b := restored(core.Breaker{}, 100*time.Hour, now); b.until.Sub(now) != breakerMost {
		t.Errorf("a clock that was set back holds the webhook back for %s", b.until.Sub(now))
	}
}
