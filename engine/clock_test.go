package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock sets a wall clock forward and back, and holds what the engine's time makes of it.
func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		step := time.Duration(0)
		wall := func() time.Time { return time.Now().Add(step) }
		c := newClock(wall)
		began := c.now()
		passes := func(d, want time.Duration) {
			t.Helper()
			before := c.now()
			time.Sleep(d)
			if got := c.now().Sub(before); got != want {
				t.Errorf("in %s the engine's time went on by %s, want %s", d, got, want)
			}
		}
		passes(time.Minute, time.Minute)
		step = 120 * time.Hour
		if got := c.now().Sub(began); got != 120*time.Hour+time.Minute {
			t.Errorf("set forward by 5 days the engine's time is %s on, want as much", got)
		}
		passes(time.Minute, time.Minute)
		step -= time.Hour
		passes(time.Second, 900*time.Millisecond)
		passes(10*time.Hour-time.Second, 9*time.Hour-900*time.Millisecond) // it has caught up
		if got := c.now(); !got.Equal(wall()) {
			t.Errorf("ten hours after an hour back the engine's time is %s, the wall clock's %s", got, wall())
		}
		passes(time.Minute, time.Minute)
		ahead := wall().Add(time.Hour) // the last event of a log
		c.notBefore(ahead)
		c.notBefore(ahead.Add(-time.Minute))
		if got := c.now(); !got.Equal(ahead) {
			t.Errorf("the engine's time is %s, want that of the last event, %s", got, ahead)
		}
		passes(time.Second, 900*time.Millisecond)
	})
}

// TestClockThatIsHeldUp: a goroutine may stand still at any point while it reads the time; the engine's is never ahead of the wall clock for it.
func TestClockThatIsHeldUp(t *testing.T) {
	t.Parallel()
	for name, wall := range map[string]func(wait func()) time.Time{
		"before it has read": func(wait func()) time.Time { wait(); return time.Now() },
		"when it has read":   func(wait func()) time.Time { now := time.Now(); wait(); return now },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				held := 5 * time.Millisecond
				c := newClock(func() time.Time { return wall(func() { time.Sleep(held) }) })
				c.now()
				held = 0
				for range 3 {
					if got := c.now(); got.After(time.Now()) {
						t.Errorf("the engine's time is %s ahead", time.Until(got))
					}
					time.Sleep(time.Millisecond)
				}
			})
		})
	}
}
