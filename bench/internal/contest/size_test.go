package contest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/bench/internal/child"
)

func TestBacklogIsJudged(t *testing.T) {
	t.Parallel()
	kept := drained{usual: 1000, rate: 800, first: backlogFirst - 1, memory: child.Memory{Now: 2 << 30, Anonymous: backlogMemory - 1}}
	late, large, slow := kept, kept, kept
	late.first++
	large.memory.Anonymous++
	slow.rate--
	for want, d := range map[string]drained{"PPP": kept, "FPP": late, "PFP": large, "PPF": slow} {
		if got := initials(d.judge()); got != want {
			t.Errorf("%+v: %s, want %s", d, got, want)
		}
	}
}

func TestFlatIsJudged(t *testing.T) {
	t.Parallel()
	at := func(accept, page time.Duration) costs { return costs{each: []cost{{"accept", accept}, {"page", page}}} }
	for _, c := range []struct {
		all  []costs
		want string
	}{
		{[]costs{at(ms, ms)}, ""},
		{[]costs{at(9*ms, 9*ms), at(2*ms, ms), at(3*ms, ms)}, "PP"},
		{[]costs{at(ms, ms), at(2*ms, 2*ms), at(2*ms, 3*ms+1)}, "PF"},
		{[]costs{at(0, ms), at(ms, ms)}, "FP"}, // too few samples to see any
	} {
		if got := initials(judgeFlat(c.all)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.all, got, c.want)
		}
	}
}

func TestScaledDownIsSaid(t *testing.T) {
	t.Parallel()
	if said := scaled(1_000_000); !strings.Contains(said, "scaled down: the promise is for 10000000 ended calls") {
		t.Errorf("a tenth: %q", said)
	}
	if said := scaled(historyGoal); said != "" {
		t.Errorf("all of it: %q", said)
	}
}

func TestOverloadIsJudged(t *testing.T) {
	t.Parallel()
	held := func(mib ...int64) (all []reading) {
		for _, m := range mib {
			all = append(all, reading{memory: child.Memory{Anonymous: m << 20}})
		}
		return all
	}
	kept := strain{before: 1000, after: 800, offered: 4000, sent: 100, accepted: 90, memory: held(1, 100, 500, 549)}
	of := func(change func(*strain)) strain { s := kept; change(&s); return s }
	for _, c := range []struct {
		name, want string
		s          strain
	}{
		{"kept", "PPPPPP", kept},
		{"nothing refused", "FPPPPP", of(func(s *strain) { s.accepted = 100 })},
		{"too much memory", "PFPPPP", of(func(s *strain) { s.memory = held(600, 590, 590, 590) })},
		{"memory that grows", "PPFPPP", of(func(s *strain) { s.memory = held(1, 100, 400, 441) })},
		{"lost", "PPPFPP", of(func(s *strain) { s.lost = 1 })},
		{"repeated", "PPPPFP", of(func(s *strain) { s.repeated = 1 })},
		{"still slow", "PPPPPF", of(func(s *strain) { s.after = 799 })},
	} {
		if got := initials(c.s.judge(Overload{Factor: 4})); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFairnessIsJudgedByArrivalAlone(t *testing.T) {
	t.Parallel()
	alone := scenario{name: "alone", calls: flat(0, ms, 2*ms, 15*ms)}
	for carried, want := range map[time.Duration]string{12 * ms: "PP", 12*ms + 1: "PF"} {
		beside := scenario{name: "floods", floods: 3, calls: flat(0, ms, carried, time.Second)}
		if got := initials((Isolation{Rate: 10, Conns: 4}).judge([]scenario{alone, beside})); got != want {
			t.Errorf("%v: %s, want %s", carried, got, want)
		}
	}
}

func TestMostOfReadings(t *testing.T) {
	t.Parallel()
	got := most([]reading{{memory: child.Memory{Now: 3, Peak: 3, Anonymous: 1}}, {memory: child.Memory{Now: 2, Peak: 4, Anonymous: 2}}})
	if want := (child.Memory{Now: 3, Peak: 4, Anonymous: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What a process of its own merges meanwhile must not disturb, and what is nested counts.
func TestSizeOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"log", "data/000001.sst"} {
		if err := os.WriteFile(filepath.Join(dir, name), slices.Repeat([]byte{1}, (i+1)<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := SizeOf(dir); err != nil || got < 3<<20 || got > 4<<20 {
		t.Errorf("%d bytes, %v; want about 3 MiB", got, err)
	}
	if _, err := SizeOf(filepath.Join(dir, "none")); err != nil {
		t.Errorf("what has gone: %v", err)
	}
}

func TestURLsToldApart(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(urls("http://h", 3, 100)); got != "[http://h/0 http://h/100 http://h/200]" {
		t.Error(got)
	}
}
