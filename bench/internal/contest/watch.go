package contest

import (
	"context"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/stats"
)

// A reading is what a process holds at a moment.
type reading struct {
	at     time.Duration // since the watch began
	memory child.Memory
}

// watch reads what a process holds, at once and then at every tick, until stop is called, which returns all readings. A process that
// cannot be read ends it with an error.
func watch(ctx context.Context, pid int, every time.Duration) (stop func() ([]reading, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var all []reading
	var err error
	done := make(chan struct{})
	go func() { // ended and joined by stop
		defer close(done)
		start, tick := time.Now(), time.NewTicker(every)
		defer tick.Stop()
		for {
			m, failed := child.MemoryOf(pid)
			if failed != nil {
				err = failed
				return
			}
			all = append(all, reading{time.Since(start), m})
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() ([]reading, error) {
		cancel()
		<-done
		return all, err
	}
}

// most is the most memory of all readings, of each kind.
func most(all []reading) (m child.Memory) {
	for _, r := range all {
		m.Now, m.Anonymous = max(m.Now, r.memory.Now), max(m.Anonymous, r.memory.Anonymous)
		m.Peak = max(m.Peak, r.memory.Peak)
	}
	return m
}

// growthOf is how much more of a kind of memory there was in the last quarter of the readings than in the one before, on average, as a
// share of that.
func growthOf(all []reading, of func(child.Memory) int64) float64 {
	var values []float64
	for _, r := range all {
		values = append(values, float64(of(r.memory)))
	}
	return stats.Growth(values)
}
