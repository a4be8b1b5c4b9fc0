package contest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
)

// Latency measures times at steady rates, in an open loop: a request is due at its time however slow the answers are, and its
// times are counted from there.
type Latency struct {
	Rates []float64     // requests a second
	For   time.Duration // how long at each rate
	Conns int           // connections of the generator, so the most requests under way
	Limit time.Duration // for one run, from start to stop
}

// times are the percentiles between the stations of the requests of one run.
type times struct {
	sent     stats.Times // due to sent: the generator's own
	accepted stats.Times // due to accepted
	carried  stats.Times // accepted to arrived: nothing for what arrived first
	arrived  stats.Times // due to arrived
}

// The names of the times in the tables, and in what is judged.
const (
	toSent     = "due to sent (the generator)"
	toAccepted = "due to accepted"
	toCarried  = "accepted to arrived"
	toArrived  = "due to arrived"
)

func timesOf(r run) times {
	between := func(from, to []time.Duration) stats.Times {
		took := make([]time.Duration, len(to))
		for i := range took {
			took[i] = to[i] - from[i]
		}
		return stats.TimesOf(took)
	}
	return times{
		sent: between(r.record.Due, r.record.Sent), accepted: between(r.record.Due, r.record.Accepted),
		carried: between(r.record.Accepted, r.arrivals), arrived: between(r.record.Due, r.arrivals),
	}
}

// A promise is the most that a time may be at a rate.
type promise struct {
	rate float64
	time string
	of   func(times) time.Duration
	most time.Duration
}

// promising is a contender of which times are promised.
type promising interface{ promises() []promise }

// Run measures TwoHop and the others at each rate, prints the tables to out, and what was promised for those rates beside what the
// others did. It returns an error unless all was kept.
func (m Latency) Run(ctx context.Context, out io.Writer, others ...Contender) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rate/s\tcontender\ttime\tp50\tp90\tp99\tp99.9\tmax\t")
	var verdicts []verdict.Verdict
	for _, rate := range m.Rates {
		var raw times
		for i, c := range append([]Contender{TwoHop{}}, others...) {
			r, err := m.once(ctx, c, rate)
			if err != nil {
				return fmt.Errorf("at %g a second: %w", rate, err)
			}
			t := timesOf(r)
			write(w, rate, c.Name(), t)
			if i == 0 {
				raw = t
				continue
			}
			if p, ok := c.(promising); ok {
				verdicts = append(verdicts, m.kept(p.promises(), rate, c.Name(), t, raw)...)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(out, "open loop, %v at each rate, %d connections; times in ms\n\n%s\n", m.For, m.Conns, &text)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, verdicts)
}

func (m Latency) once(ctx context.Context, c Contender, rate float64) (run, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	return measure(ctx, c, m.Conns, max(1, int(rate*m.For.Seconds())),
		func(ctx context.Context, base time.Time, numbers numbered.Numbers, conns int, send numbered.Send) (numbered.Record, error) {
			return numbered.Open(ctx, base, numbers, rate, conns, send)
		})
}

func write(w io.Writer, rate float64, name string, t times) {
	for _, row := range []struct {
		name string
		t    stats.Times
	}{{toSent, t.sent}, {toAccepted, t.accepted}, {toCarried, t.carried}, {toArrived, t.arrived}} {
		_, _ = fmt.Fprintf(w, "%g\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", rate, name, row.name, // Flush reports what fails
			inMs(row.t.P50), inMs(row.t.P90), inMs(row.t.P99), inMs(row.t.P999), inMs(row.t.Max))
	}
}

// kept judges what is promised for a rate. Where the raw forwarder of the same run needs as long from due to arrived as is promised
// for a part of that, or the generator was late, the machine cannot show it, and the judgement is void.
func (m Latency) kept(promises []promise, rate float64, name string, t, raw times) (verdicts []verdict.Verdict) {
	for _, p := range promises {
		if p.rate != rate {
			continue
		}
		got, floor := p.of(t), raw.arrived.P99
		if strings.HasSuffix(p.time, "p50") {
			floor = raw.arrived.P50
		}
		v := excused(verdict.Of(got < p.most,
			"%s at %g/s: %s %s ms, promised under %s (raw two-hop: due to accepted p50 %s, p99 %s, due to arrived p50 %s, p99 %s)",
			name, rate, p.time, inMs(got), inMs(p.most),
			inMs(raw.accepted.P50), inMs(raw.accepted.P99), inMs(raw.arrived.P50), inMs(raw.arrived.P99),
		), t, rate, m.Conns)
		if floor >= p.most {
			v.Word = verdict.Void
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}
