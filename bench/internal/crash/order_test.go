package crash

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestKillsKeepTheOrder is the sequential part of `make test/crash` in short: over failures, kills and restarts no call comes to a sequential
// webhook before the one before it has ended, and none is left out.
func TestKillsKeepTheOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := Run{
		Binary: os.Args[0], Dir: dir, Kills: 3, Candidates: 60, Sequential: 6, Conns: 16, Seed: uint64(time.Now().UnixNano()), Limit: 2 * time.Minute,
	}
	var out strings.Builder
	err := r.Run(t.Context(), &out)
	t.Logf("seed %d\n%s", r.Seed, &out)
	if err != nil {
		t.Fatal(err)
	}
	sums := regexp.MustCompile(`(?m)^3 kills, and (.*\n)+ +6 in all +[1-9]\d* .* 0     0     0     0          0\n(.*\n)+lost 0, other faults 0, `)
	if !sums.MatchString(out.String()) {
		t.Errorf("no %s", sums)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
