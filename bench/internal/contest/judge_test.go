package contest

import (
	"strings"
	"testing"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
)

const ms = time.Millisecond

// initials are those of the verdicts, as in PFV.
func initials(verdicts []verdict.Verdict) string {
	var all strings.Builder
	for _, v := range verdicts {
		all.WriteString(v.Word[:1])
	}
	return all.String()
}

// flat are times whose percentiles are all the same.
func flat(sent, accepted, carried, arrived time.Duration) times {
	of := func(d time.Duration) stats.Times { return stats.Times{P50: d, P90: d, P99: d, P999: d, Max: d} }
	return times{of(sent), of(accepted), of(carried), of(arrived)}
}

func TestLatencyIsJudged(t *testing.T) {
	t.Parallel()
	good, raw := flat(0, 19*ms, 24*ms, 30*ms), flat(0, ms, 0, ms)
	for _, c := range []struct {
		name   string
		rate   float64
		t, raw times
		want   string
	}{
		{"kept", 1000, good, raw, "PP"},
		{"slow to accept", 1000, flat(0, 20*ms, 24*ms, 30*ms), raw, "FP"},
		{"slow to carry", 1000, flat(0, 19*ms, 25*ms, 30*ms), raw, "PF"},
		{"nothing promised", 200, good, raw, ""},
		{"kept at 100", 100, flat(0, 0, 2*ms, 0), raw, "P"},
		{"slow at 100", 100, flat(0, 0, 3*ms, 0), raw, "F"},
		{"the forwarder is too slow", 1000, good, flat(0, ms, 0, 21*ms), "VP"},
		{"the generator was late", 1000, flat(10*ms, 30*ms, 24*ms, 30*ms), raw, "VP"},
		{"all connections wait for answers", 1000, flat(10*ms, 74*ms, 24*ms, 30*ms), raw, "FP"},
	} {
		if got := initials(Latency{Conns: 64}.kept(Posthorn{}.promises(), c.rate, "it", c.t, c.raw)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestIsolationIsJudged(t *testing.T) {
	t.Parallel()
	memory := child.Memory{Now: 50 << 20, Peak: 400<<20 - 1}
	alone := scenario{name: "alone", memory: memory, calls: flat(0, ms, 2*ms, 15*ms)}
	beside := func(sent, carried, arrived time.Duration) scenario {
		return scenario{name: "1 hanging", memory: memory, calls: flat(sent, ms, carried, arrived)}
	}
	full := beside(0, ms, ms)
	full.memory.Peak++
	late := alone
	late.calls = flat(5*ms, 5*ms, 2*ms, 15*ms)
	for _, c := range []struct {
		name string
		all  []scenario
		want string
	}{
		{"as much as is promised", []scenario{alone, beside(0, 12*ms, 30*ms)}, "PPPP"},
		{"more than 10 ms over alone", []scenario{alone, beside(0, 12*ms+1, 30*ms)}, "PFPP"},
		{"more than twice alone", []scenario{alone, beside(0, ms, 30*ms+1)}, "PPFP"},
		{"too much memory", []scenario{alone, full}, "PPPF"},
		{"a generator that was late", []scenario{alone, beside(6*ms, 12*ms, 40*ms)}, "PPVP"},
		{"no base", []scenario{late, beside(0, ms, ms)}, "VPPPP"},
	} {
		if got := initials((Isolation{Rate: 200, Conns: 64}).judge(c.all)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestIdleIsJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rest rest
		want string
	}{
		{rest{cpu: 299 * ms, took: 30 * time.Second, memory: 100<<20 - 1}, "PP"},
		{rest{cpu: 300 * ms, took: 30 * time.Second, memory: 100<<20 - 1}, "PF"},
		{rest{cpu: 299 * ms, took: 30 * time.Second, memory: 100 << 20}, "FP"},
	} {
		if got := initials(judgeIdle(c.rest)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.rest, got, c.want)
		}
	}
}
