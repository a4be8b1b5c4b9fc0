package load

import (
	"encoding/json"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies count times in microseconds, to 3 digits, up to longest. They are guarded by their owner.
type latencies struct{ *hdrhistogram.Histogram }

const longest = 10 * time.Minute

func newLatencies() *latencies {
	return &latencies{hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// add counts a time; one above longest counts as that.
func (l *latencies) add(d time.Duration) {
	_ = l.RecordValue(min(max(d.Microseconds(), 0), longest.Microseconds())) // the range is the histogram's own, so it refuses none
}

// A Latency sums up times, each right to 3 digits. In JSON they are milliseconds.
type Latency struct {
	Count                    int
	P50, P90, P99, P999, Max time.Duration
	Mean                     time.Duration
	// Curve has the time at each of some quantiles, dense towards 1, for a chart.
	Curve []Point

	histogram *latencies
}

// A Point of a curve says that the share Quantile of all, from 0 to 1, took at most Time.
type Point struct {
	Quantile float64
	Time     time.Duration
}

// sum closes the counting.
func (l *latencies) sum() Latency {
	s := Latency{Count: int(l.TotalCount()), Mean: time.Duration(l.Mean() * float64(time.Microsecond)), histogram: l}
	s.P50, s.P90, s.P99, s.P999, s.Max = s.at(50), s.at(90), s.at(99), s.at(99.9), s.at(100)
	if s.Count == 0 {
		return s
	}
	// Four points for each halving of what is left, until one of all is left.
	for left := 1.0; left*float64(s.Count) >= 1; left *= math.Pow(2, -0.25) {
		s.Curve = append(s.Curve, Point{1 - left, s.at(100 * (1 - left))})
	}
	s.Curve = append(s.Curve, Point{1, s.Max})
	return s
}

// at is the time that percent of all took at most.
func (l *Latency) at(percent float64) time.Duration {
	if l.histogram == nil {
		return 0
	}
	return time.Duration(l.histogram.ValueAtQuantile(percent)) * time.Microsecond
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// MarshalJSON writes milliseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	curve := make([][2]float64, len(l.Curve))
	for i, p := range l.Curve {
		curve[i] = [2]float64{math.Round(p.Quantile*1e6) / 1e6, millis(p.Time)}
	}
	return json.Marshal(struct {
		Count int          `json:"count"`
		Mean  float64      `json:"meanMs"`
		P50   float64      `json:"p50Ms"`
		P90   float64      `json:"p90Ms"`
		P99   float64      `json:"p99Ms"`
		P999  float64      `json:"p999Ms"`
		Max   float64      `json:"maxMs"`
		Curve [][2]float64 `json:"curve"`
	}{l.Count, millis(l.Mean), millis(l.P50), millis(l.P90), millis(l.P99), millis(l.P999), millis(l.Max), curve})
}
