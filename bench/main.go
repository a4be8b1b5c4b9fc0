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
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: bench VERB [flags]
  rate       deliveries a second, of raw baselines and the engine in interleaved rounds
  transports deliveries a second and times over in-process channels, NATS, Kafka and SQS, with real brokers beside
  latency    times of acceptance and arrival at steady rates, open loop
  isolation  times of a healthy webhook beside hanging and dead ones
  idle       memory and processor time of an engine that has nothing to do
  backlog    a restart with a million ready calls, after a million that have come and gone
  webhooks   100,000 webhooks, each told one message
  history    cost of an accept, a call and a page of the history, as ended calls become more
  disk       bytes on the disk for an ended call
  retention  the disk of an engine that forgets calls as fast as it gets them
  replay     times of a live webhook alone, and beside a replay of its company
  backup     backups of an engine under load, put back, and an account of what is in them
  fairness   times of a small company beside one that floods
  overload   what is refused, lost and held at four times the sustainable rate
  soak       what an engine holds as time passes, under a mixed load, faults and kills
  crash      kills by SIGKILL under load, and an account of what was lost or repeated
  fleet      the same of an engine, three dispatchers and their broker, all of them killed
  forward, count, serve   the raw forwarder, a receiver that counts, and an engine that can be looked into, which the others start
Each verb has -h. All but these run the engine from --binary (make build), over data directories of their own in --dir.
make bench, bench/VERB, soak and test/crash build it and run them; docs/benchmarks.md says how to read them.
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
	verb, ok := verbs()[args[0]]
	if !ok {
		_, _ = io.WriteString(errs, usage) // there is nobody else to tell
		return flag.ErrHelp
	}
	if !slices.Contains([]string{"forward", "count", "serve"}, args[0]) { // whose output others read
		if _, err := fmt.Fprintf(out, "$ go run ./bench %s\n\n", strings.Join(args, " ")); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return verb(ctx, out, flags, args[1:])
}

// A verb reads its flags and runs.
type verb func(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error

func verbs() map[string]verb {
	return map[string]verb{
		"rate": rate, "latency": latency, "isolation": isolation, "idle": idle, "forward": forwarder, "count": counting,
		"backlog": backlog, "webhooks": webhooks, "history": history, "disk": disk, "retention": retention, "replay": replay, "backup": backups,
		"fairness": fairness, "overload": overload, "soak": soaking, "serve": serving,
		"crash": crashes, "fleet": fleets, "transports": transports,
	}
}
