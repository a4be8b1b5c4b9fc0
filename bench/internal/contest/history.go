package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/fill"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/verdict"
)

// History measures what an accept, a call and a page of the history cost the engine in processor time, as the calls that have ended in
// its directory become more.
type History struct {
	Engine  Posthorn
	Sizes   []int         // ended calls of one company, rising; multiples of historyWebhooks
	Samples int           // accepts and calls measured at each size
	Pages   int           // and pages of each kind
	Limit   time.Duration // for all of it
}

const (
	historyCompany  = "history"
	historyWebhooks = 10
	// historyFlat is how much more anything may cost at the last size than at the one before: what the project's plan promises from 1e5
	// to 1e7 ended calls.
	historyFlat = 1.5
	historyGoal = 10_000_000
)

// costs are what one size was like.
type costs struct {
	ended  int           // calls
	each   []cost        // by kind
	size   int64         // bytes of the directory
	filled time.Duration // what it took to get there from the size before
}

// A cost is processor time of the engine for one of a kind.
type cost struct {
	kind string
	cpu  time.Duration
}

// A past is a directory that grows.
type past struct {
	dir     string
	ended   int
	middle  time.Time // when half of the calls had ended
	webhook string    // one of historyWebhooks
}

// Run prints the costs to out, a line a size. It returns an error unless they stay flat.
func (m History) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	p := past{}
	if p.dir, err = m.Engine.Workspace(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
	var all []costs
	for _, size := range m.Sizes {
		c, err := m.at(ctx, &p, size)
		if err != nil {
			return fmt.Errorf("at %d ended calls: %w", size, err)
		}
		all = append(all, c)
	}
	if err := m.write(out, all); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, judgeFlat(all))
}

// at grows the past to a size and measures there.
func (m History) at(ctx context.Context, p *past, size int) (c costs, err error) {
	start := time.Now()
	if err := p.grow(ctx, size); err != nil {
		return c, err
	}
	c.ended, c.filled = size, time.Since(start)
	if c.size, err = SizeOf(p.dir); err != nil {
		return c, err
	}
	s, err := m.Engine.ServeIn(ctx, p.dir)
	if err != nil {
		return c, err
	}
	defer func() {
		_, stopped := s.Stop()
		err = errors.Join(err, stopped)
	}()
	c.each, err = (&dig{History: m, server: s, past: p}).all(ctx)
	return c, err
}

// grow makes calls come and go until there are size, and notes the middle.
func (p *past) grow(ctx context.Context, size int) (err error) {
	d, err := fill.Open(ctx, DataIn(p.dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close(ctx)) }()
	if p.ended == 0 {
		ids, err := d.Register(ctx, historyCompany, urls("http://127.0.0.1", historyWebhooks, 1)...)
		if err != nil {
			return err
		}
		p.webhook = ids[0]
	}
	for _, until := range []int{size / 2, size} {
		if n := (until - p.ended) / historyWebhooks; n > 0 {
			first := p.ended / historyWebhooks
			err := d.Publish(ctx, numbered.Numbers{First: first, Count: n}, historyWebhooks, func(int) string { return historyCompany })
			if err != nil {
				return err
			}
			p.ended += n * historyWebhooks
		}
		if until != size {
			p.middle = time.Now()
		}
	}
	return d.Settle(ctx)
}

func (m History) write(out io.Writer, all []costs) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "ended calls\t")
	for _, c := range all[0].each {
		fmt.Fprint(w, c.kind, "\t")
	}
	fmt.Fprintln(w, "directory\tfilled in\t")
	for _, c := range all {
		fmt.Fprintf(w, "%d\t", c.ended)
		for _, each := range c.each {
			fmt.Fprintf(w, "%d\t", each.cpu.Microseconds())
		}
		fmt.Fprintf(w, "%s\t%v\t\n", inMiB(c.size), c.filled.Round(time.Second))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "processor time of the engine for each, in us, over %d accepts and calls and %d pages of %d calls of one company "+
		"with %d webhooks%s\n\n%s\n", m.Samples, m.Pages, historyPage, historyWebhooks, scaled(slices.Max(m.Sizes)), &text)
	return err
}

// scaled says so when the largest size is not what is promised for.
func scaled(most int) string {
	if most >= historyGoal {
		return ""
	}
	return fmt.Sprintf(";\nscaled down: the promise is for %d ended calls, give --most %d (see docs/benchmarks.md for its disk and time)",
		historyGoal, historyGoal)
}

// judgeFlat compares the last size with the one before.
func judgeFlat(all []costs) (verdicts []verdict.Verdict) {
	if len(all) < 2 {
		return nil
	}
	last, before := all[len(all)-1], all[len(all)-2]
	for i, c := range last.each {
		ratio := c.cpu.Seconds() / max(before.each[i].cpu, time.Microsecond).Seconds()
		verdicts = append(verdicts, verdict.Of(ratio <= historyFlat,
			"%s: %.2f of the cost with %d ended calls, promised at most %.1f", c.kind, ratio, before.ended, historyFlat))
	}
	return verdicts
}
