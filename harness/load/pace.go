package load

import (
	"math"
	"time"
)

// A Pace says when the requests of a run are due. Rate is in requests a second, above zero. The rate grows from nothing during the
// Ramp, which is the first part of the Duration; Ramp may be zero.
type Pace struct {
	Rate           float64
	Duration, Ramp time.Duration
}

// Total is how many requests are due within the duration.
func (p Pace) Total() int { return p.DueBy(p.Duration) }

// DueBy is how many requests are due before a time since the start.
func (p Pace) DueBy(at time.Duration) int {
	t, ramp := min(at, p.Duration).Seconds(), p.Ramp.Seconds()
	due := p.Rate * (t - ramp/2)
	if t < ramp {
		due = p.Rate * t * t / (2 * ramp)
	}
	return max(0, int(math.Ceil(due-1e-6))) // the first is due at once; floats are not exact
}

// Due is when a request is due, counted from the start; the first has number 0.
func (p Pace) Due(n int) time.Duration {
	ramp := p.Ramp.Seconds()
	t := float64(n)/p.Rate + ramp/2
	if float64(n) < p.Rate*ramp/2 {
		t = math.Sqrt(2 * float64(n) * ramp / p.Rate)
	}
	return time.Duration(t * float64(time.Second))
}
