package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/fill"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/verdict"
)

// Backlog measures a restart with many ready calls, in a directory in which as many have come and gone: when the first call comes,
// what memory it takes, and how fast the backlog drains, beside the usual rate.
type Backlog struct {
	Engine Posthorn
	Calls  int           // that have come and gone, and as many that are ready: a multiple of backlogWebhooks
	Usual  int           // messages of the run that says what the usual rate is
	Conns  int           // connections of the generator in it
	Limit  time.Duration // for all of it
}

// What the project's plan promises of a million.
const (
	backlogFirst  = 5 * time.Second // from the start of the process to the first call
	backlogMemory = 500 << 20
	backlogShare  = 0.8 // of the usual rate
)

// The backlog's calls are spread over companies, whose messages go to all their webhooks.
const (
	backlogCompanies = 10
	backlogWebhooks  = 10 // of each company
)

// A drained is what a backlog was like.
type drained struct {
	usual, rate   float64       // calls a second: accepted and called at once, and drained
	cpu           time.Duration // of the engine for a drained call, the start included
	filled        time.Duration // what the preparation took
	size          int64         // bytes of the directory at the restart
	listens       time.Duration // from the start of the process to its listening
	first         time.Duration // and to the first call
	memory        child.Memory  // the most, from the start to the last call
	calls, repeat int
}

// Run prints what the restart was like to out. It returns an error unless it kept what is promised.
func (m Backlog) Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	usual, err := m.usual(ctx)
	if err != nil {
		return err
	}
	d, err := m.drain(ctx)
	if err != nil {
		return err
	}
	d.usual = usual
	if err := d.write(out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, d.judge())
}

// usual is what the engine accepts and calls in a second over an empty directory.
func (m Backlog) usual(ctx context.Context) (float64, error) {
	var all rates
	all.conns = m.Conns
	if err := (Rate{Count: m.Usual, Limit: m.Limit}).once(ctx, &beside{Posthorn: m.Engine}, &all); err != nil {
		return 0, fmt.Errorf("measure the usual rate: %w", err)
	}
	return all.delivered[0], nil
}

// drain prepares the backlog, restarts over it, and waits for its last call.
func (m Backlog) drain(ctx context.Context) (d drained, err error) {
	base := time.Now()
	receiver, err := numbered.Receive(ctx, base, m.Calls)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	dir, err := m.Engine.Workspace()
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := m.prepare(ctx, DataIn(dir), receiver.URL()); err != nil {
		return d, err
	}
	if d.size, err = SizeOf(dir); err != nil {
		return d, err
	}
	restart := time.Since(base)
	d.filled = restart
	s, err := m.Engine.ServeIn(ctx, dir)
	if err != nil {
		return d, fmt.Errorf("restart: %w", err)
	}
	defer func() {
		_, stopped := s.Stop()
		err = errors.Join(err, stopped)
	}()
	d.listens = time.Since(base) - restart
	stop := watch(ctx, s.PID, time.Second)
	waited := receiver.Wait(ctx, m.Calls)
	readings, read := stop()
	if err := errors.Join(waited, read); err != nil {
		return d, fmt.Errorf("drain: %w", err)
	}
	d.memory = most(readings)
	if d.cpu, err = child.CPUOf(s.PID); err != nil {
		return d, err
	}
	d.cpu /= time.Duration(m.Calls)
	first, last := receiver.Span()
	d.first, d.calls, d.repeat = first-restart, m.Calls, receiver.Repeated()
	d.rate = perSecond(m.Calls, last-first)
	return d, nil
}

// prepare makes the calls that come and go, and then those that stay.
func (m Backlog) prepare(ctx context.Context, data, target string) (err error) {
	d, err := fill.Open(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close(ctx)) }()
	messages := m.Calls / backlogWebhooks
	for c := range backlogCompanies {
		if _, err := d.Register(ctx, company(c), urls(target, backlogWebhooks, messages)...); err != nil {
			return err
		}
	}
	publish := func() error {
		return d.Publish(ctx, numbered.Numbers{Count: messages}, backlogWebhooks, func(n int) string { return company(n % backlogCompanies) })
	}
	if err := publish(); err != nil {
		return fmt.Errorf("calls that come and go: %w", err)
	}
	if err := d.Settle(ctx); err != nil {
		return fmt.Errorf("calls that come and go: %w", err)
	}
	d.Hold()
	if err := publish(); err != nil {
		return fmt.Errorf("calls that stay: %w", err)
	}
	return nil
}

func (d drained) write(out io.Writer) error {
	_, err := fmt.Fprintf(out, "restart with %d ready calls after as many that have come and gone, over %d webhooks of %d companies; "+
		"prepared in %v\n\n%12s%10s%12s%10s%10s%12s%11s%11s%10s%10s\n%12s%10v%12v%10s%10s%12s%11.0f%11.0f%10v%10d\n\n",
		d.calls, backlogCompanies*backlogWebhooks, backlogCompanies, d.filled.Round(time.Second),
		"directory", "listens", "first call", "resident", "peak", "anonymous", "drained/s", "usual/s", "CPU/call", "repeated",
		inMiB(d.size), d.listens.Round(time.Millisecond), d.first.Round(time.Millisecond),
		inMiB(d.memory.Now), inMiB(d.memory.Peak), inMiB(d.memory.Anonymous), d.rate, d.usual, d.cpu.Round(time.Microsecond), d.repeat)
	return err
}

func (d drained) judge() []verdict.Verdict {
	return []verdict.Verdict{
		verdict.Of(d.first < backlogFirst, "first call after %v, promised within %v", d.first.Round(time.Millisecond), backlogFirst),
		verdict.Of(d.memory.Anonymous < backlogMemory, "memory: %s anonymous at the most, promised under %s "+
			"(resident %s, which counts the mapped tables)", inMiB(d.memory.Anonymous), inMiB(backlogMemory), inMiB(d.memory.Now)),
		verdict.Of(d.rate >= backlogShare*d.usual, "drained at %.2f of the usual rate, promised %.1f or more", d.rate/d.usual, backlogShare),
	}
}
