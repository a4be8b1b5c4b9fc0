package contest

import (
	"context"
	"fmt"
	"io"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
)

// Isolation measures what a healthy webhook at a steady rate, in an open loop, feels of others that are in trouble: alone, beside
// webhooks that hang, and beside a dead one that many calls wait for. Each scenario has a fresh engine.
type Isolation struct {
	Engine  Posthorn
	Samples int           // calls of the healthy webhook in each scenario
	Rate    float64       // of these, a second
	Hanging []int         // how many webhooks hang, a scenario for each
	Waiting int           // calls that wait for the dead webhook, 0 for no such scenario
	Flood   int           // calls of another company that come at once, again and again, 0 for no such scenario
	Flooded int           // webhooks that these are for, evenly
	Conns   int           // connections of the generator
	Limit   time.Duration // for one scenario, from start to stop
}

// What the project's plan promises.
const (
	isolationMemory = 400 << 20             // resident, at the most
	isolationSlack  = 10 * time.Millisecond // over the p99 alone, where twice that is less
)

// A scenario is one engine's life.
type scenario struct {
	name     string
	rate     float64
	calls    times        // of the healthy webhook
	newcomer stats.Times  // accepted to arrived, of the first call of webhooks that are registered meanwhile
	memory   child.Memory // at the end of the load
	pending  int          // calls that were still waiting then for webhooks in trouble
	held     int          // requests that the hanging receivers held at once, at the most
	floods   int
}

func (m Isolation) troubles() []trouble {
	all := []trouble{{name: "alone"}}
	for _, n := range m.Hanging {
		all = append(all, trouble{name: fmt.Sprintf("%d hanging", n), hanging: n})
	}
	if m.Waiting > 0 {
		all = append(all, trouble{name: fmt.Sprintf("1 dead, %d waiting", m.Waiting), waiting: m.Waiting})
	}
	if m.Flood > 0 {
		name := fmt.Sprintf("floods of %d", m.Flood)
		all = append(all, trouble{name: name, flood: &flood{calls: m.Flood, webhooks: m.Flooded}})
	}
	return all
}

// Run prints each scenario to out when it has ended, and then what was promised beside what was seen. It returns an error unless all
// was kept.
func (m Isolation) Run(ctx context.Context, out io.Writer) error {
	_, err := fmt.Fprintf(out, "a healthy webhook at %g/s, open loop, %d samples a scenario, a fresh engine each; times in ms\n\n"+
		"%-24s%8s  %-31s%9s%9s%9s%9s%10s%8s%9s%6s\n", m.Rate, m.Samples,
		"scenario", "rate/s", "time", "p50", "p90", "p99", "max", "resident", "peak", "waiting", "held")
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	var all []scenario
	for _, t := range m.troubles() {
		s, err := m.once(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if err := s.write(out); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		all = append(all, s)
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, m.judge(all))
}

func (m Isolation) once(ctx context.Context, t trouble) (scenario, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	b, lasts := &beside{Posthorn: m.Engine, trouble: t}, time.Duration(float64(m.Samples)/m.Rate*float64(time.Second))
	s := scenario{name: t.name}
	r, err := measure(ctx, b, m.Conns, m.Samples,
		func(ctx context.Context, base time.Time, numbers numbered.Numbers, conns int, send numbered.Send) (numbered.Record, error) {
			return b.endure(ctx, base, lasts, &s, func(ctx context.Context) (numbered.Record, error) {
				return numbered.Open(ctx, base, numbers, m.Rate, conns, send)
			})
		})
	if err != nil {
		return s, err
	}
	sent, _, last := r.record.Span()
	s.rate, s.calls = perSecond(m.Samples, last-sent), timesOf(r)
	return s, nil
}

func (s scenario) write(out io.Writer) error {
	for _, row := range []struct {
		name string
		t    stats.Times
	}{{toSent, s.calls.sent}, {toCarried, s.calls.carried}, {toArrived, s.calls.arrived}, {"newcomers, " + toCarried, s.newcomer}} {
		_, err := fmt.Fprintf(out, "%-24s%8.1f  %-31s%9s%9s%9s%9s%10s%8s%9d%6d\n", s.name, s.rate, row.name,
			inMs(row.t.P50), inMs(row.t.P90), inMs(row.t.P99), inMs(row.t.Max),
			inMiB(s.memory.Now), inMiB(s.memory.Peak), s.pending, s.held)
		if err != nil {
			return err
		}
	}
	return nil
}

// judge judges the scenarios, of which the first is the healthy webhook alone. What it needed alone is the base for the others, unless
// the generator was late: twice that would say nothing.
func (m Isolation) judge(all []scenario) (verdicts []verdict.Verdict) {
	alone := all[0].calls
	if alone.sent.P99 >= lateGenerator {
		verdicts = append(verdicts, verdict.Verdict{Word: verdict.Void, Text: fmt.Sprintf("%s: no base for the others: the generator was late, p99 %s ms",
			all[0].name, inMs(alone.sent.P99))})
	}
	for i, s := range all {
		if i > 0 {
			verdicts = append(verdicts, m.near(s, toCarried, s.calls.carried.P99, alone.carried.P99))
			if s.floods == 0 { // beside a flood the accepts themselves wait for the disk
				verdicts = append(verdicts, m.near(s, toArrived, s.calls.arrived.P99, alone.arrived.P99))
			}
		}
		if s.floods == 0 { // beside one, what is resident is mostly tables that the store has mapped; bench/overload judges memory
			verdicts = append(verdicts, verdict.Of(s.memory.Peak < isolationMemory,
				"%s: memory %s at the most, promised under %s", s.name, inMiB(s.memory.Peak), inMiB(isolationMemory)))
		}
	}
	return verdicts
}

// near judges a p99 by what it was alone.
func (m Isolation) near(s scenario, name string, got, alone time.Duration) verdict.Verdict {
	most := max(2*alone, alone+isolationSlack)
	return excused(verdict.Of(got <= most, "%s: %s p99 %s ms, promised at most %s (alone %s)",
		s.name, name, inMs(got), inMs(most), inMs(alone)), s.calls, m.Rate, m.Conns)
}
