package child

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseMemory(t *testing.T) {
	t.Parallel()
	got, err := parseMemory("Name:\tposthorn\nVmPeak:\t 9000 kB\nVmHWM:\t   300 kB\nVmRSS:\t    20 kB\nRssAnon:\t    8 kB\nThreads:\t9\n")
	if want := (Memory{Now: 20 << 10, Peak: 300 << 10, Anonymous: 8 << 10}); err != nil || got != want {
		t.Errorf("memory %+v, %v; want %+v", got, err, want)
	}
	for _, status := range []string{"", "Name:\tx\nVmRSS:\t 20 kB\n", "Name:\tx\nVmHWM:\t 1 kB\nVmRSS:\tmuch\n"} {
		if got, err := parseMemory(status); err == nil {
			t.Errorf("memory of %q: %+v", status, got)
		}
	}
}

func TestParseCPU(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0"
	for _, name := range []string{"(posthorn)", "(odd ) (name)"} {
		if got, err := parseCPU("812 " + name + rest); err != nil || got != 1750*time.Millisecond {
			t.Errorf("%s: %v, %v; want 1.75s", name, got, err)
		}
	}
	for _, stat := range []string{"", "812 (posthorn) S 1 2", "812 (posthorn) S 1 2 3 4 5 6 7 8 9 10 x 25"} {
		if got, err := parseCPU(stat); err == nil {
			t.Errorf("processor time of %q: %v", stat, got)
		}
	}
}

func TestOfOurselves(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc as it is read here")
	}
	m, err := MemoryOf(os.Getpid())
	if err != nil || m.Now < 1<<20 || m.Peak < m.Now/2 {
		t.Errorf("our memory: %+v, %v", m, err)
	}
	if _, err := CPUOf(os.Getpid()); err != nil {
		t.Errorf("our processor time: %v", err)
	}
	if _, err := MemoryOf(-1); err == nil {
		t.Error("no process has memory")
	}
}
