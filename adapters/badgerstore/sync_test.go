package badgerstore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/strace"
	"posthorn/ports"
)

// traced is the variable that makes this test binary the process that is traced: it fills a store in its working directory.
const traced = "BADGERSTORE_TEST_TRACED"

// tracedCommits are of 1 MiB each: enough for two new logs, for one is left behind when it holds memTableSize.
const tracedCommits = 36

// TestTraced is no test but the other process.
func TestTraced(t *testing.T) {
	t.Parallel()
	if os.Getenv(traced) == "" {
		t.SkipNow() // nobody asked for the other process
	}
	s := open(t, ".")
	for n := uint64(1); n <= tracedCommits; n++ {
		half := func(name string) ports.Pair {
			return ports.Pair{Key: fmt.Appendf(nil, "%s%d", name, n), Value: make([]byte, 1<<19)}
		}
		c := ports.Commit{Entries: []ports.Entry{{First: n, Last: n, Data: []byte("entry")}}, Puts: []ports.Pair{half("a"), half("b")}}
		if err := s.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "applied %d\n", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestEveryApplyIsSynced watches the system calls of a process that applies commits, over changes of the log: before each Apply returns,
// and after the one before has, a log was synced whole, and before that its directory, once it has the log's name.
func TestEveryApplyIsSynced(t *testing.T) {
	t.Parallel()
	if err := strace.Usable(t.Context()); err != nil {
		t.Skip(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := strace.Command(t.Context(), trace, append(strace.SyncCalls(), "write"), os.Args[0], "-test.run=^TestTraced$")
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), traced+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calls, err := strace.Read(trace)
	if err != nil {
		t.Fatal(err)
	}
	syncs, logs, before, applied := strace.Syncs(calls), map[string]bool{}, 0, 0
	for _, c := range calls {
		if c.Name != "write" || !strings.Contains(c.Args, `"applied `) {
			continue
		}
		applied++
		within := func(of func(file string) bool) int {
			return slices.IndexFunc(syncs, func(s strace.Sync) bool { return of(s.File) && s.Began > before && s.Ended < c.Began })
		}
		at := within(func(file string) bool { return filepath.Ext(file) == ".mem" })
		if at < 0 {
			t.Errorf("commit %d was applied without a sync of a log since the one before", applied)
			continue
		}
		if log := syncs[at].File; !logs[log] {
			logs[log] = true
			if dir := within(func(file string) bool { return file == filepath.Dir(log) }); dir < 0 || dir > at {
				t.Errorf("commit %d went into the new log %s, whose name was not synced before", applied, filepath.Base(log))
			}
		}
		before = c.Ended
	}
	if applied != tracedCommits || len(logs) < 3 {
		t.Errorf("the trace shows %d commits in %d logs, want %d in at least 3", applied, len(logs), tracedCommits)
	}
}
