package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"

	"posthorn/bench/internal/crash"
)

func crashes(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var r crash.Run
	flags.StringVar(&r.Binary, "binary", "bin/posthorn", "the engine's binary")
	flags.StringVar(&r.Dir, "dir", "bin", "where the data directory is made, on a real disk")
	flags.IntVar(&r.Kills, "kills", 20, "SIGKILLs that must fall while a command is unanswered and an attempt is under way")
	flags.IntVar(&r.Candidates, "candidates", 20_000, "candidates to create at least; more are until the last kill has fallen")
	flags.IntVar(&r.Sequential, "sequential", 0, "webhooks told one call after the other, by messages in place of candidates; 0 means three that are not")
	flags.IntVar(&r.Conns, "conns", 32, "clients that create")
	flags.Uint64Var(&r.Seed, "seed", rand.Uint64(), "decides the moments of the kills, as far as a seed can") //nolint:gosec // any will do
	flags.DurationVar(&r.Limit, "limit", 0, "the most time for the run; 0 means 10s for each kill and 2m")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if r.Sequential < 0 {
		return fmt.Errorf("%d sequential webhooks are refused: there is no such number of them; give 1 or more, 16 are usual", r.Sequential)
	}
	if r.Kills < 1 || r.Candidates < 1 || r.Conns < 1 {
		return fmt.Errorf("%d kills over %d candidates and %d connections prove nothing: give at least 1 of each", r.Kills, r.Candidates, r.Conns)
	}
	return r.Run(ctx, out)
}
