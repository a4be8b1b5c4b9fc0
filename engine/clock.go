package engine

import (
	"sync"
	"time"
)

// slew is how much slower the engine's time passes while it is ahead of the wall clock: by a tenth.
const slew = 10

// A clock tells the engine's time, which events, ids, due calls and idempotency keys go by. It is the wall clock's, but it never goes
// back and never stands still. Set forward, it follows at once: a machine that slept, or began with a wrong time, has to. While the wall
// clock is behind, because it was set back or was ahead when the last event was stored, the engine's time goes on from where it was,
// slower by a tenth until the wall clock has caught up: an hour takes ten. Standing still instead would keep every retry waiting for as
// long as the clock was set back.
//
// Leases, rates and the waits of the engine's own do not go by it, but by the monotonic clock. It is safe for concurrent use.
type clock struct {
	wall func() time.Time

	mu   sync.Mutex
	told time.Time // the latest time told
	read time.Time // when that was, by the monotonic clock
}

// newClock returns a clock over a wall clock.
func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, read: time.Now()}
}

// now returns the engine's time, in UTC and without a monotonic part.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, read := c.wall().UTC().Round(0), time.Now() // in this order: what passes between the two must not be told twice
	gone := read.Sub(c.read)
	c.told, c.read = c.told.Add(gone-gone/slew), read
	if wall.After(c.told) {
		c.told = wall
	}
	return c.told
}

// notBefore moves the clock to a time that it must not tell anything before.
func (c *clock) notBefore(t time.Time) {
	c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.told) {
		c.told = t
	}
}
