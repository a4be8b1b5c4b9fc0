// Package stats sums up what the benchmark measured: the median of a few runs with their spread, and the percentiles of many
// times. Read next: package contest, which prints them.
package stats

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Spread is the median of some values, with the least and the greatest.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of values, of which there is at least one. It does not change them.
func SpreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// String is the spread in whole numbers, as in "18600 (18100..19000)".
func (s Spread) String() string {
	return fmt.Sprintf("%.0f (%.0f..%.0f)", math.Round(s.Median), math.Round(s.Min), math.Round(s.Max))
}

// Growth is how much larger values are in their last quarter than in the one before, on average, as a share of the latter: 0.1 for a tenth.
// It is 0 for fewer than four values.
func Growth(values []float64) float64 {
	quarter := len(values) / 4
	if quarter == 0 {
		return 0
	}
	last, before := values[len(values)-quarter:], values[len(values)-2*quarter:len(values)-quarter]
	return mean(last)/mean(before) - 1
}

func mean(values []float64) (sum float64) {
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

// Times are percentiles, right to 3 digits.
type Times struct{ P50, P90, P99, P999, Max time.Duration }

// TimesOf returns the percentiles of times. One below zero counts as zero: what came before it was waited for cost no waiting. One above
// 10 minutes counts as that.
func TimesOf(times []time.Duration) Times {
	h := hdrhistogram.New(1, int64(longest), 3)
	for _, t := range times {
		// The range is the histogram's own, so it refuses none.
		_ = h.RecordValue(int64(min(max(t, 0), longest)))
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return Times{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max())}
}

const longest = 10 * time.Minute
