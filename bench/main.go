// Bench measures Posthorn against what the machine can do at all, over the loopback, each contender in a process of its own.
// `make bench` and the targets `make bench/...` run it; docs/benchmarks.md says how to read it.
//
// Read next: verbs.go for what it can be told, then package contest, which says what is measured; a new contender implements
// contest.Contender and is named in verbs.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: bench VERB [flags]
  rate       deliveries a second, of raw baselines and the engine in interleaved rounds
  latency    times of acceptance and arrival at steady rates, open loop
  isolation  times of a healthy webhook beside hanging and dead ones
  idle       memory and processor time of an engine that has nothing to do
  forward    the raw forwarder, which the others start
Each verb has -h. All but forward run the engine from --binary (make build), over data directories of their own in --dir.
make bench, bench/latency, bench/isolation and bench/idle build it and run them; docs/benchmarks.md says how to read them.
Exit codes: 0 all that is judged held, 1 it did not, or the run failed or is void, 2 usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, errs io.Writer, args []string) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	flags.SetOutput(errs)
	switch args[0] {
	case "rate":
		return rate(ctx, out, flags, args[1:])
	case "latency":
		return latency(ctx, out, flags, args[1:])
	case "isolation":
		return isolation(ctx, out, flags, args[1:])
	case "idle":
		return idle(ctx, out, flags, args[1:])
	case "forward":
		return forwarder(ctx, out, flags, args[1:])
	default:
		_, _ = io.WriteString(errs, usage) // there is nobody else to tell
		return flag.ErrHelp
	}
}
