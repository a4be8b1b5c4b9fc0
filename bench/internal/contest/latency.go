package contest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/load"
	"posthorn/bench/internal/stats"
)

// Latency measures times at steady rates, in an open loop: a request is due at its time however slow the answers are, and its
// times are counted from there.
type Latency struct {
	Rates []float64     // requests a second
	For   time.Duration // how long at each rate
	Conns int           // connections of the generator, so the most requests under way
	Limit time.Duration // for one run, from start to stop
}

// Run measures TwoHop and the others at each rate and prints the tables to out.
func (m Latency) Run(ctx context.Context, out io.Writer, others ...Contender) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rate/s\tcontender\ttime\tp50\tp90\tp99\tp99.9\tmax\t")
	for _, rate := range m.Rates {
		for _, c := range append([]Contender{TwoHop{}}, others...) {
			r, err := m.once(ctx, c, rate)
			if err != nil {
				return fmt.Errorf("at %g a second: %w", rate, err)
			}
			for _, row := range rows(r) {
				t := stats.TimesOf(row.times)
				fmt.Fprintf(w, "%g\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", rate, c.Name(), row.name,
					inMs(t.P50), inMs(t.P90), inMs(t.P99), inMs(t.P999), inMs(t.Max))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(out, "open loop, %v at each rate, %d connections; times in ms\n\n%s", m.For, m.Conns, &text)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (m Latency) once(ctx context.Context, c Contender, rate float64) (run, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	return measure(ctx, c, m.Conns, max(1, int(rate*m.For.Seconds())),
		func(ctx context.Context, base time.Time, numbers load.Numbers, senders []load.Send) (load.Record, error) {
			return load.Open(ctx, base, numbers, rate, senders, load.Nap)
		})
}

type row struct {
	name  string
	times []time.Duration
}

// rows are the times between the stations of each request.
func rows(r run) []row {
	between := func(from, to []time.Duration) []time.Duration {
		took := make([]time.Duration, len(to))
		for i := range took {
			took[i] = to[i] - from[i]
		}
		return took
	}
	return []row{
		{"due to sent (the generator's own)", between(r.record.Due, r.record.Sent)},
		{"due to accepted", between(r.record.Due, r.record.Accepted)},
		{"accepted to arrived", between(r.record.Accepted, r.arrivals)},
		{"due to arrived", between(r.record.Due, r.arrivals)},
	}
}

func inMs(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
