package stats_test

import (
	"testing"
	"time"

	"posthorn/bench/internal/stats"
)

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   stats.Spread
	}{
		{[]float64{5}, stats.Spread{Median: 5, Min: 5, Max: 5}},
		{[]float64{9, 1, 4}, stats.Spread{Median: 4, Min: 1, Max: 9}},
		{[]float64{4, 1, 9, 2}, stats.Spread{Median: 3, Min: 1, Max: 9}},
	} {
		if got := stats.SpreadOf(c.values); got != c.want {
			t.Errorf("spread of %v: %v, want %v", c.values, got, c.want)
		}
	}
	if got := (stats.Spread{Median: 18600.4, Min: 1, Max: 2.5}).String(); got != "18600 (1..3)" {
		t.Errorf("spread reads %q", got)
	}
}

func TestTimesOf(t *testing.T) {
	t.Parallel()
	times := make([]time.Duration, 0, 1000)
	times = append(times, -time.Second, time.Hour)
	for i := range 998 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	got := stats.TimesOf(times)
	near := func(name string, got, want time.Duration) {
		if diff := (got - want).Abs(); diff > want/500+time.Microsecond {
			t.Errorf("%s: %v, want %v to 3 digits", name, got, want)
		}
	}
	near("p50", got.P50, 499*time.Millisecond)
	near("p90", got.P90, 899*time.Millisecond)
	near("p99", got.P99, 989*time.Millisecond)
	near("p99.9", got.P999, 998*time.Millisecond)
	near("max", got.Max, 10*time.Minute)
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{1, 9, 9}, 0}, {[]float64{7, 7, 2, 3}, 0.5}, {[]float64{9, 9, 9, 1, 3, 4, 2}, -0.5}} {
		if got := stats.Growth(c.values); got != c.want {
			t.Errorf("%v: %g, want %g", c.values, got, c.want)
		}
	}
}
