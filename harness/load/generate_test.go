package load

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// A note is when a request was due, made and answered, from the start.
type note struct{ due, made, answered time.Duration }

// taking makes requests that take a time, and notes them.
func taking(start time.Time, d time.Duration, notes []note) Send {
	return func(ctx context.Context, n int, due time.Time) {
		made := time.Since(start)
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		notes[n] = note{due.Sub(start), made, time.Since(start)}
	}
}

func TestOpenKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		notes := make([]note, 4)
		start := time.Now()
		g := openLoop(t.Context(), start, Pace{Rate: 100, Duration: 40 * ms}, 2, taking(start, 15*ms, notes), time.Sleep)
		for n, got := range notes {
			if due := time.Duration(n) * 10 * ms; got != (note{due, due, due + 15*ms}) {
				t.Errorf("request %d: %v", n, got)
			}
		}
		if !g.Held() || g.Sent != 4 || g.Took != 30*ms {
			t.Errorf("%+v", g)
		}
	})
}

// A slow sender must not slow the schedule: what waits for a worker is late, and is seen to be.
func TestOpenCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		notes := make([]note, 4)
		start := time.Now()
		g := openLoop(t.Context(), start, Pace{Rate: 100, Duration: 40 * ms}, 1, taking(start, 25*ms, notes), time.Sleep)
		want := []note{{0, 0, 25 * ms}, {10 * ms, 25 * ms, 50 * ms}, {20 * ms, 50 * ms, 75 * ms}, {30 * ms, 75 * ms, 100 * ms}}
		if !slices.Equal(notes, want) {
			t.Errorf("%v, want %v", notes, want)
		}
		if g.Held() || g.Took != 75*ms || g.Intended != 30*ms {
			t.Errorf("it did not hold its rate, and says %+v", g)
		}
	})
}

func TestOpenIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		g := openLoop(t.Context(), time.Now(), Pace{Rate: 1000, Duration: time.Second}, 7, func(context.Context, int, time.Time) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(20 * ms)
			now.Add(-1)
		}, time.Sleep)
		if most.Load() != 7 || g.Sent != 1000 {
			t.Errorf("%d at once, %d in all", most.Load(), g.Sent)
		}
	})
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*ms)
		defer cancel()
		notes := make([]note, 100)
		start := time.Now()
		g := openLoop(ctx, start, Pace{Rate: 100, Duration: time.Second}, 1, taking(start, time.Hour, notes), time.Sleep)
		if took := time.Since(start); took != 35*ms || g.Sent != 1 || g.Planned != 100 || g.Held() {
			t.Errorf("after %v: %+v", took, g)
		}
	})
}

// The real clock: each request is made once, none before it is due.
func TestOpenInRealTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	made := make([]int, 200)
	start := time.Now()
	g := Open(t.Context(), start, Pace{Rate: 2000, Duration: 100 * ms}, 8, func(_ context.Context, n int, due time.Time) {
		mu.Lock()
		defer mu.Unlock()
		if made[n]++; time.Now().Before(due) {
			t.Errorf("request %d was made early", n)
		}
	})
	if g.Sent != 200 || slices.Max(made) != 1 || slices.Min(made) != 1 {
		t.Errorf("%+v: %v", g, made)
	}
}

func TestClosedWaitsForEachAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		notes := make([]note, 6)
		start := time.Now()
		g := Closed(t.Context(), 6, 2, taking(start, 10*ms, notes))
		for n, got := range notes {
			if due := time.Duration(n/2) * 10 * ms; got != (note{due, due, due + 10*ms}) {
				t.Errorf("request %d: %v", n, got)
			}
		}
		if g.Sent != 6 || g.Took != 30*ms {
			t.Errorf("%+v", g)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if g := Closed(ctx, 6, 2, taking(start, ms, notes)); g.Sent != 0 || g.Held() {
			t.Errorf("after its context: %+v", g)
		}
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Pace{
			Rate:     rapid.Float64Range(0.5, 5000).Draw(t, "rate"),
			Duration: time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * ms,
		}
		p.Ramp = time.Duration(rapid.Float64Range(0, 1).Draw(t, "ramp") * float64(p.Duration))
		want := p.Rate * (p.Duration - p.Ramp/2).Seconds()
		if total := p.Total(); math.Abs(float64(total)-want) > 1.001 {
			t.Fatalf("%d due of %g", total, want)
		}
		for n := range min(p.Total(), 2000) {
			at := p.Due(n)
			if n > 0 && at < p.Due(n-1) || at > p.Duration {
				t.Fatalf("number %d of %d is due at %v, after one due at %v", n, p.Total(), at, p.Due(max(n-1, 0)))
			}
			if by := p.DueBy(at + time.Microsecond); by != n+1 && p.Due(by-1)-at > time.Microsecond {
				t.Fatalf("number %d is due at %v, when %d are", n, at, by)
			}
		}
	})
}

func TestRampGrowsEvenly(t *testing.T) {
	t.Parallel()
	p := Pace{Rate: 100, Duration: 4 * time.Second, Ramp: 2 * time.Second}
	// A quarter of the ramp's messages in its first half, and then a hundred a second.
	for at, want := range map[time.Duration]int{time.Second: 25, 2 * time.Second: 100, 3 * time.Second: 200, 4 * time.Second: 300, time.Hour: 300} {
		if got := p.DueBy(at); got != want {
			t.Errorf("%d due by %v, not %d", got, at, want)
		}
	}
}
