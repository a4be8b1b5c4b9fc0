package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestKillsOfAFleetLoseNothing is `make test/fleet` in short, over a nats-server in a process of its own. What a dispatcher dies with comes
// again when its leases end; here the engine is killed right after, which tasks it anew at once. Where no dispatcher dies every delivery must
// be recorded.
func TestKillsOfAFleetLoseNothing(t *testing.T) {
	t.Parallel()
	for _, f := range []Fleet{
		{Order: []string{BrokerKilled, DispatcherStopped, EngineKilled}},
		{Order: []string{DispatcherKilled, EngineKilled}, AtOnce: true},
	} {
		t.Run(strings.Join(f.Order, ", "), func(t *testing.T) {
			t.Parallel()
			killsOfAFleet(t, &f)
		})
	}
}

func killsOfAFleet(t *testing.T, f *Fleet) {
	t.Helper()
	dir, brokers := t.TempDir(), t.TempDir()
	if err := installSelf(brokers); err != nil {
		t.Fatal(err)
	}
	f.Transport, f.Installed, f.Nodes, f.Dispatchers, f.Quiet = "nats", brokers, 1, 3, time.Second
	r := Run{
		Binary: os.Args[0], Dir: dir, Kills: len(f.Order), Candidates: 300, Conns: 16, Seed: uint64(time.Now().UnixNano()), Limit: 2 * time.Minute,
		Fleet: f,
	}
	var out strings.Builder
	err := r.Run(t.Context(), &out)
	t.Logf("seed %d\n%s", r.Seed, &out)
	if err != nil {
		t.Fatal(err)
	}
	sums := regexp.MustCompile(`(?m)^\d kills, each with attempts under way: [1-9](.*\n)+.* log rebuild answers alike: true\nlost 0, other faults 0, `)
	if !sums.MatchString(out.String()) {
		t.Errorf("no %s", sums)
	}
	for _, kind := range f.Order {
		what, how, _ := strings.Cut(kind, " ")
		signal := map[string]string{"killed": sigkill, "stopped": sigterm}[how]
		if !regexp.MustCompile(what + `[a-z0-9 ]* +` + signal).MatchString(out.String()) {
			t.Errorf("no %s had a %s", what, signal)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFleetKeepsTheDataOfWhatWentWrong(t *testing.T) {
	t.Parallel()
	for _, f := range []Fleet{{Transport: "nats", Installed: "/nowhere", Nodes: 1}, {Transport: "pigeons"}} {
		dir := t.TempDir()
		err := Run{Binary: os.Args[0], Dir: dir, Kills: 1, Candidates: 1, Conns: 1, Fleet: &f}.Run(t.Context(), new(strings.Builder))
		if err == nil || !strings.Contains(err.Error(), "which stays: ") {
			t.Errorf("%s: %v", f.Transport, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
			t.Errorf("%s: kept %v, %v", f.Transport, left, err)
		}
	}
}
