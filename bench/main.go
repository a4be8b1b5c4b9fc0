// Bench measures Posthorn against what the machine can do at all, over the loopback, each contender in a process of its own.
// `make bench` and `make bench/latency` run it.
//
// Read next: package contest, which says what is measured; a new contender implements contest.Contender and is named in contenders.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/forward"
)

const usage = `usage: bench VERB [flags]
  rate     deliveries a second, of raw baselines and contenders in interleaved rounds
  latency  times of acceptance and arrival at steady rates, open loop
  forward  the raw forwarder, which the others start
Each verb has -h.
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

// contenders are measured beside the raw baselines.
func contenders(binary, dir string) []contest.Contender {
	return []contest.Contender{contest.Posthorn{Binary: binary, Dir: dir}}
}

// where are the flags that say what is measured and where its data goes.
func where(flags *flag.FlagSet) (binary, dir *string) {
	return flags.String("binary", "bin/posthorn", "the engine's binary"), flags.String("dir", "bin", "where data directories are made, on a real disk")
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
	case "forward":
		return forwarder(ctx, out, flags, args[1:])
	default:
		_, _ = io.WriteString(errs, usage) // there is nobody else to tell
		return flag.ErrHelp
	}
}

func rate(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Rate{Conns: []int{16, 64}}
	flags.Func("conns", "connections of the generator, as in 16,64 (the default)", func(s string) (err error) {
		m.Conns, err = numbers(s)
		return err
	})
	flags.IntVar(&m.Rounds, "rounds", 3, "runs of each contender")
	flags.IntVar(&m.Count, "count", 50_000, "measured requests of a run")
	flags.DurationVar(&m.Limit, "limit", 5*time.Minute, "the most time for one run")
	binary, dir := where(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	if m.Rounds < 1 || m.Count < 1 {
		return fmt.Errorf("%d rounds of %d requests measure nothing: give at least 1 of each", m.Rounds, m.Count)
	}
	return m.Run(ctx, out, contenders(*binary, *dir)...)
}

func latency(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Latency{Rates: []float64{100, 1000}}
	flags.Func("rates", "requests a second, as in 100,1000 (the default)", func(s string) error {
		rates, err := numbers(s)
		m.Rates = m.Rates[:0]
		for _, r := range rates {
			m.Rates = append(m.Rates, float64(r))
		}
		return err
	})
	flags.DurationVar(&m.For, "for", 20*time.Second, "how long at each rate")
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator")
	flags.DurationVar(&m.Limit, "limit", 5*time.Minute, "the most time for one run")
	binary, dir := where(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	if m.For <= 0 || m.Conns < 1 {
		return fmt.Errorf("%v over %d connections measure nothing: give more than 0 of each", m.For, m.Conns)
	}
	return m.Run(ctx, out, contenders(*binary, *dir)...)
}

func forwarder(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	to := flags.String("to", "", "URL to post to")
	conns := flags.Int("conns", 64, "connections to keep")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return forward.Serve(ctx, out, *to, *conns)
}

// numbers reads a list like 16,64; each is above zero.
func numbers(list string) (all []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a whole number above 0: give a list like 16,64", s)
		}
		all = append(all, n)
	}
	return all, nil
}
