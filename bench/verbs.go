package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/count"
	"posthorn/bench/internal/forward"
)

// engine adds the flags that say what is measured and where its data goes.
func engine(flags *flag.FlagSet) *contest.Posthorn {
	var p contest.Posthorn
	flags.StringVar(&p.Binary, "binary", "bin/posthorn", "the engine's binary; empty for the raw baselines alone")
	flags.StringVar(&p.Dir, "dir", "bin", "where data directories are made, on a real disk")
	return &p
}

// contenders are measured beside the raw baselines.
func contenders(p *contest.Posthorn) []contest.Contender {
	if p.Binary == "" {
		return nil
	}
	return []contest.Contender{p}
}

func limit(flags *flag.FlagSet, into *time.Duration) {
	flags.DurationVar(into, "limit", 5*time.Minute, "the most time for one run")
}

func rate(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Rate{Conns: []int{16, 64}}
	p := engine(flags)
	limit(flags, &m.Limit)
	flags.Func("conns", "connections of the generator, as in 16,64 (the default)", func(s string) (err error) {
		m.Conns, err = numbers(s)
		return err
	})
	flags.IntVar(&m.Rounds, "rounds", 3, "runs of each contender")
	flags.IntVar(&m.Count, "count", 50_000, "measured requests of a run")
	keep := flags.Duration("retention", 0, "measure beside it one that keeps calls for so long; 0 for none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Rounds < 1 || m.Count < 1 {
		return fmt.Errorf("%d rounds of %d requests measure nothing: give at least 1 of each", m.Rounds, m.Count)
	}
	others := contenders(p)
	if *keep > 0 {
		forgetful := *p
		forgetful.Retention = *keep
		others = append(others, forgetful)
	}
	return m.Run(ctx, out, others...)
}

func latency(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Latency{Rates: []float64{100, 1000}}
	p := engine(flags)
	limit(flags, &m.Limit)
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
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.For <= 0 || m.Conns < 1 {
		return fmt.Errorf("%v over %d connections measure nothing: give more than 0 of each", m.For, m.Conns)
	}
	return m.Run(ctx, out, contenders(p)...)
}

func isolation(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Isolation{Hanging: []int{1, 16, 2000}}
	p := engine(flags)
	limit(flags, &m.Limit)
	flags.IntVar(&m.Samples, "samples", 10_000, "calls of the healthy webhook in each scenario")
	flags.Float64Var(&m.Rate, "rate", 200, "of these, a second")
	flags.Func("hanging", "how many webhooks hang, a scenario for each, as in 1,16,2000 (the default)", func(s string) (err error) {
		m.Hanging, err = numbers(s)
		return err
	})
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator")
	flags.IntVar(&m.Waiting, "waiting", 20_000, "calls that wait for one dead webhook; 0 leaves the scenario out")
	over := flags.String("transport", "gochannel", "what carries tasks and outcomes: gochannel, nats, kafka or sqs; the broker is started")
	installed := installed(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Samples < 1 || m.Rate <= 0 || m.Waiting < 0 || m.Conns < 1 {
		return fmt.Errorf("%d samples at %g/s beside %d calls waiting, over %d connections, measure nothing: "+
			"give more than 0 of each, or 0 waiting",
			m.Samples, m.Rate, m.Waiting, m.Conns)
	}
	t, stop, err := transport(ctx, *over, *installed, p.Dir)
	if err != nil {
		return err
	}
	defer stop()
	m.Engine, m.Engine.Transport = *p, t
	return m.Run(ctx, out)
}

func idle(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Idle
	p := engine(flags)
	limit(flags, &m.Limit)
	flags.DurationVar(&m.For, "for", 30*time.Second, "how long each measurement lasts")
	flags.DurationVar(&m.Settle, "settle", 5*time.Second, "how long the engine is left alone before it")
	flags.IntVar(&m.After, "after", 20_000, "candidates to deliver before a second measurement; 0 for none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.For <= 0 || m.Settle < 0 || m.After < 0 {
		return fmt.Errorf("%v after %v and %d candidates measure nothing: give more than 0, and at least 0 of the others",
			m.For, m.Settle, m.After)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func forwarder(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	to := flags.String("to", "", "URL to post to")
	conns := flags.Int("conns", 64, "connections to keep")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return forward.Serve(ctx, out, *to, *conns)
}

func counting(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	return count.Serve(ctx, out)
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
