package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"posthorn/bench/internal/crash"
)

func fleets(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	f := crash.Fleet{Dispatchers: 3, Quiet: 12 * time.Second} // a task may be begun for 10 s
	r := crash.Run{Fleet: &f}
	flags.StringVar(&r.Binary, "binary", "bin/posthorn", "the program, for the engine and the dispatchers")
	flags.StringVar(&r.Dir, "dir", "bin", "where the data directory is made, on a real disk")
	flags.StringVar(&f.Transport, "transport", "", "kafka, sqs or nats")
	flags.StringVar(&f.Installed, "brokers", "bin/brokers", "where internal/broker/install.sh has put the brokers")
	flags.IntVar(&f.Nodes, "nodes", 0, "nodes of the broker, 1 or 3; 0 means 3, and 1 for sqs")
	flags.IntVar(&r.Kills, "kills", 10, "kills that must fall while an attempt is under way")
	flags.IntVar(&r.Candidates, "candidates", 20_000, "candidates to create")
	flags.IntVar(&r.Sequential, "sequential", 0, "webhooks told one call after the other, by messages in place of candidates; 0 means three that are not")
	flags.IntVar(&r.Conns, "conns", 32, "clients that create")
	flags.Uint64Var(&r.Seed, "seed", rand.Uint64(), "decides what is killed, and when, as far as a seed can") //nolint:gosec // any will do
	flags.DurationVar(&r.Limit, "limit", 0, "the most time for the run; 0 means 30s for each kill and 5m")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case r.Sequential < 0:
		return fmt.Errorf("%d sequential webhooks are refused: there is no such number of them; give 1 or more, 16 are usual", r.Sequential)
	case r.Kills < 1 || r.Candidates < 1 || r.Conns < 1:
		return fmt.Errorf("%d kills over %d candidates and %d connections prove nothing: give at least 1 of each", r.Kills, r.Candidates, r.Conns)
	case !slices.Contains([]string{"kafka", "sqs", "nats"}, f.Transport):
		return fmt.Errorf("transport %q is refused: there is no such broker; give kafka, sqs or nats", f.Transport)
	case f.Nodes == 0 && f.Transport == "sqs":
		f.Nodes = 1
	case f.Nodes == 0:
		f.Nodes = 3
	}
	return r.Run(ctx, out)
}
