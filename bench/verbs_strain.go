package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/inside"
	"posthorn/bench/internal/soak"
)

func fairness(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Isolation{}
	p := engine(flags)
	limit(flags, &m.Limit)
	flags.IntVar(&m.Samples, "samples", 600, "calls of the small company in each scenario")
	flags.Float64Var(&m.Rate, "rate", 10, "of these, a second")
	flags.IntVar(&m.Conns, "conns", 16, "connections of the generator")
	flags.IntVar(&m.Flood, "flood", 50_000, "calls of the flooding company at once, again when they have been made")
	flags.IntVar(&m.Flooded, "webhooks", 10_000, "webhooks of that company: each message goes to all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Samples < 1 || m.Rate <= 0 || m.Conns < 1 || m.Flooded < 1 || m.Flood < m.Flooded {
		return fmt.Errorf("%d samples at %g/s over %d connections beside floods of %d calls for %d webhooks measure nothing: "+
			"give more than 0 of each, and a call for each webhook", m.Samples, m.Rate, m.Conns, m.Flood, m.Flooded)
	}
	m.Engine = *p
	m.Engine.Behind = true
	return m.Run(ctx, out)
}

func overload(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Overload
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 15*time.Minute, "the most time for all of it")
	flags.DurationVar(&m.For, "for", time.Minute, "how long the overload lasts")
	flags.Float64Var(&m.Factor, "factor", 4, "of the sustainable rate, which is measured first")
	flags.IntVar(&m.Conns, "conns", 6000, "connections of the overload: more than the 4,096 accepts that may wait")
	flags.DurationVar(&m.Rest, "rest", contest.OverloadRest, "from its end to the measurement after")
	flags.IntVar(&m.Count, "count", 30_000, "requests of each measurement of the rate, before and after")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.For <= 0 || m.Factor <= 1 || m.Conns < 1 || m.Count < 1 {
		return fmt.Errorf("%g times the rate of %d requests for %v over %d connections measure nothing: give more than 0 of each, and a factor above 1",
			m.Factor, m.Count, m.For, m.Conns)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func replay(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Replay
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 30*time.Minute, "the most time for all of it")
	flags.IntVar(&m.Past, "past", 100_000, "calls that are sent again")
	flags.Float64Var(&m.Again, "again", 200, "of these, a second")
	flags.Float64Var(&m.Rate, "rate", 500, "calls of the live webhook a second")
	flags.DurationVar(&m.Alone, "alone", time.Minute, "how long it is measured alone")
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Past < 1 || m.Again <= 0 || m.Rate <= 0 || m.Alone <= 0 || m.Conns < 1 {
		return fmt.Errorf("%g a second alone for %v, and beside %d calls at %g a second, over %d connections, measure nothing: give more than 0 of each",
			m.Rate, m.Alone, m.Past, m.Again, m.Conns)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func backups(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Backup
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 15*time.Minute, "the most time for all of it")
	flags.IntVar(&m.Before, "before", 100_000, "candidates that are there already")
	flags.Float64Var(&m.Rate, "rate", 2000, "candidates a second")
	flags.DurationVar(&m.For, "for", 30*time.Second, "how long; the backups begin after a third and after two")
	flags.IntVar(&m.Conns, "conns", 256, "connections of the generator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Before < 1 || m.Rate <= 0 || m.For < 3*time.Second || m.Conns < 1 {
		return fmt.Errorf("%d candidates, and %g a second for %v over %d connections, leave no time for backups: give more than 0 of each, and 3s or more",
			m.Before, m.Rate, m.For, m.Conns)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func soaking(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := soak.Soak{}
	flags.StringVar(&m.Engine.Dir, "dir", "bin", "where data directories are made, on a real disk")
	flags.DurationVar(&m.For, "for", 30*time.Minute, "how long the load lasts")
	flags.Float64Var(&m.Rate, "rate", 200, "requests a second")
	flags.IntVar(&m.Kills, "kills", 5, "kills with a restart, over the first third of it")
	flags.DurationVar(&m.Drain, "limit", 5*time.Minute, "the most time for what is left after the load")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.For <= 0 || m.Rate <= 0 || m.Kills < 0 {
		return fmt.Errorf("%g requests a second for %v with %d kills measure nothing: give more than 0, and at least 0 kills", m.Rate, m.For, m.Kills)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	m.Engine.Binary = self // its verb serve
	return m.Run(ctx, out)
}

// serving is an engine as `posthorn serve` is, which tells how many goroutines it has.
func serving(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var o inside.Options
	flags.StringVar(&o.Data, "data", "", "data directory")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address")
	flags.StringVar(&o.AllowTarget, "allow-target", "127.0.0.0/8", "private targets that may be called")
	flags.BoolVar(&o.NoBreaker, "no-breaker", false, "call webhooks however many attempts fail")
	flags.String("log-format", "json", "as posthorn serve has it; it is json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return inside.Serve(ctx, out, os.Stderr, o)
}
