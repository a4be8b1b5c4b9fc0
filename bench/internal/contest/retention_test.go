package contest

import (
	"testing"
	"time"
)

// TestShareOfWhatWasLive: what the disk holds is judged by what was live then, not by what is at the end.
func TestShareOfWhatWasLive(t *testing.T) {
	t.Parallel()
	k := kept{took: 40 * time.Second, live: 100 << 20, progress: progress{
		{at: 10 * time.Second, calls: 2000}, {at: 20 * time.Second, calls: 4000}, {at: 30 * time.Second, calls: 5000}, {at: 40 * time.Second, calls: 6000},
	}}
	for at, want := range map[time.Duration]float64{0: 0, 5 * time.Second: 1000, 25 * time.Second: 4500, 40 * time.Second: 6000, time.Minute: 6000} {
		if got := k.progress.until(at); got != want {
			t.Errorf("until %v %v were accepted, want %v", at, got, want)
		}
	}
	for _, c := range []struct {
		sizes []sized
		want  float64
	}{
		{[]sized{{20 * time.Second, 240 << 20}, {40 * time.Second, 110 << 20}}, 1.2}, // twice as much was live then
		{[]sized{{20 * time.Second, 240 << 20}, {35 * time.Second, 130 << 20}}, 1.3}, // as much as at the end
		{[]sized{{25 * time.Second, 240 << 20}, {40 * time.Second, 110 << 20}}, 1.6}, // one and a half
		{[]sized{{20 * time.Second, 200 << 20}, {40 * time.Second, 100 << 20}}, 1},
	} {
		k.sizes = c.sizes
		if got := k.share(10 * time.Second); got != c.want {
			t.Errorf("%+v is %v of what was live, want %v", c.sizes, got, c.want)
		}
	}
}
