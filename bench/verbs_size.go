package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"posthorn/bench/internal/contest"
)

func backlog(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Backlog
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 30*time.Minute, "the most time for all of it")
	flags.IntVar(&m.Calls, "calls", 1_000_000, "calls that are ready at the restart, and that came and went before; a multiple of 10")
	flags.IntVar(&m.Usual, "usual", 50_000, "messages of the run that says what the usual rate is")
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator in it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Calls < 10 || m.Calls%10 != 0 || m.Usual < 1 || m.Conns < 1 {
		return fmt.Errorf("%d calls beside %d messages over %d connections measure nothing: give more than 0 of each, calls as a multiple of 10",
			m.Calls, m.Usual, m.Conns)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func webhooks(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Webhooks
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 15*time.Minute, "the most time for all of it")
	flags.IntVar(&m.Webhooks, "webhooks", 100_000, "webhooks, each of which is told one message")
	flags.IntVar(&m.Companies, "companies", 10_000, "companies that they are spread over")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Companies < 1 || m.Webhooks < m.Companies {
		return fmt.Errorf("%d webhooks of %d companies measure nothing: give at least one company, and a webhook for each",
			m.Webhooks, m.Companies)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func history(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.History{}
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 3*time.Hour, "the most time for all of it")
	largest := flags.Int("most", 1_000_000, "ended calls at the most, a multiple of 10: measured there, and at 1,000 and 100,000 if that is more")
	flags.IntVar(&m.Samples, "samples", 20_000, "accepts and calls measured at each size")
	flags.IntVar(&m.Pages, "pages", 500, "pages of each kind measured at each size")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *largest < 100 || *largest%10 != 0 || m.Samples < 1 || m.Pages < 1 {
		return fmt.Errorf("%d ended calls, %d samples and %d pages measure nothing: give 100 calls or more, a multiple of 10, and 1 of the others",
			*largest, m.Samples, m.Pages)
	}
	for _, size := range []int{1000, 100_000} {
		if size < *largest {
			m.Sizes = append(m.Sizes, size)
		}
	}
	m.Sizes = append(m.Sizes, *largest)
	m.Engine = *p
	return m.Run(ctx, out)
}

func retention(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Retention
	p := engine(flags)
	flags.DurationVar(&m.Limit, "limit", 30*time.Minute, "the most time for all of it")
	flags.DurationVar(&m.Keep, "keep", time.Minute, "how long calls are kept")
	flags.IntVar(&m.Times, "times", 10, "how often what is kept is written anew")
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Keep < time.Second || m.Times < 1 || m.Conns < 1 {
		return fmt.Errorf("%v kept and written %d times over %d connections measure nothing: give 1s or more, and 1 of the others", m.Keep, m.Times, m.Conns)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}

func disk(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	var m contest.Disk
	p := engine(flags)
	limit(flags, &m.Limit)
	flags.IntVar(&m.Calls, "calls", 200_000, "calls of each shape, a multiple of 10")
	flags.DurationVar(&m.Settle, "settle", 5*time.Second, "how long a directory must not change to count as settled")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Calls < 10 || m.Calls%10 != 0 || m.Settle < 0 {
		return fmt.Errorf("%d calls settled for %v measure nothing: give 10 or more, a multiple of 10", m.Calls, m.Settle)
	}
	m.Engine = *p
	return m.Run(ctx, out)
}
