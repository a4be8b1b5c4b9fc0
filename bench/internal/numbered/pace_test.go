package numbered

import "testing"

// However the rate divides, as many are due as were asked for.
func TestPaceOfCount(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.2, 7, 33.3, 200, 1000, 35103.7, 1e6} {
		for _, count := range []int{1, 3, 1000, 12_345, 3_000_000} {
			if got := paceOf(count, rate).Total(); got != count {
				t.Errorf("%d at %g a second: %d are due", count, rate, got)
			}
		}
	}
}
