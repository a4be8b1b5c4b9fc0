package crash

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/adapters/badgerstore"
	"posthorn/adapters/memstore"
	"posthorn/bench/internal/inside"
	"posthorn/engine"
)

// TestMain lets the test's own program be the binary that is killed, for what a run asks of it.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == natsServer {
		fatal(serveNATS(os.Args[1:]))
		return
	}
	if len(os.Args) > 2 && slices.Contains([]string{"serve", "dispatch", "log"}, os.Args[1]) {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := binary(ctx, os.Args[1:])
		stop()
		fatal(err)
		return
	}
	goleak.VerifyTestMain(m)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// binary does what `posthorn serve`, `posthorn dispatch`, `posthorn log verify` and `posthorn log rebuild` do.
func binary(ctx context.Context, args []string) error {
	flags, verb := flag.NewFlagSet("", flag.ContinueOnError), args[0]
	if verb == "log" {
		verb, args = args[1], args[1:]
	}
	var o inside.Options
	flags.StringVar(&o.Data, "data", "", "")
	flags.StringVar(&o.Listen, "listen", "", "")
	flags.StringVar(&o.AllowTarget, "allow-target", "", "")
	flags.String("log-format", "", "")
	flags.BoolVar(&o.NoDispatch, "no-dispatch", false, "")
	flags.BoolVar(&o.NoBreaker, "no-breaker", false, "")
	transport := flags.String("transport", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch verb {
	case "dispatch":
		return dispatch(ctx, os.Stdout, *transport, o.AllowTarget)
	case "serve":
		bus, err := busOver(ctx, *transport)
		if err != nil {
			return err
		}
		o.Bus, o.Key = bus, fleetKey()
		return inside.Serve(ctx, os.Stdout, os.Stderr, o)
	}
	store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: o.Data})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // a run that is not in order says so later
	if verb == "rebuild" {
		_, err = engine.Rebuild(ctx, store)
		return err
	}
	report, err := engine.Verify(ctx, store, memstore.New())
	if err == nil && !report.OK() {
		err = fmt.Errorf("problems: %v", report.Problems)
	}
	return err
}

// TestKillsLoseNothing is `make test/crash` in short: nothing accepted is lost, every call ends, what came again was under way.
func TestKillsLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := Run{Binary: os.Args[0], Dir: dir, Kills: 3, Candidates: 300, Conns: 16, Seed: uint64(time.Now().UnixNano()), Limit: 2 * time.Minute}
	var out strings.Builder
	err := r.Run(t.Context(), &out)
	t.Logf("seed %d\n%s", r.Seed, &out)
	if err != nil {
		t.Fatal(err)
	}
	if sums := regexp.MustCompile(`(?m)^3 kills, and \d+ while it started; .*\n.* log rebuild answers alike: true\nlost 0, other faults 0, `); !sums.MatchString(out.String()) {
		t.Errorf("no %s", sums)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunKeepsTheDataOfWhatWentWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := Run{Binary: "/bin/false", Dir: dir, Kills: 1, Candidates: 1, Conns: 1}.Run(t.Context(), new(strings.Builder))
	if err == nil || !strings.Contains(err.Error(), "which stays: start /bin/false") {
		t.Errorf("a binary that ends at once: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("kept: %v, %v", left, err)
	}
}
