package contest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
)

// Transports measures deliveries a second of the same engine over one transport after the other, in interleaved rounds, and then times at
// 100 a second. Brokers run on the same processors all the time.
type Transports struct {
	Engine Posthorn      // but for its transport
	Over   []Transport   // of which the first is the measure of the others
	Conns  int           // connections of the generator
	Rounds int           // runs over each
	Count  int           // measured requests of a run
	For    time.Duration // how long the times are measured over each
	Limit  time.Duration // for one run, from start to stop
}

// quietRate is what the times are measured at, in requests a second.
const quietRate = 100

// carriage is what came of one transport, a value a round; what is counted is for each request.
type carriage struct {
	Transport

	delivered                      []float64 // a second
	engine, broker                 []float64 // processor time in µs
	syncs, envelopes, bytes, again []float64
}

// Run prints the tables to out. It returns an error unless what is promised of the times was kept; an aim that was missed is told only.
func (m Transports) Run(ctx context.Context, out io.Writer) error {
	all := make([]carriage, len(m.Over))
	for round := range m.Rounds {
		for i, t := range m.Over {
			all[i].Transport = t
			if err := m.once(ctx, &all[i]); err != nil {
				return fmt.Errorf("round %d of %d, over %s: %w", round+1, m.Rounds, t.Name, err)
			}
		}
	}
	if err := m.report(out, all); err != nil {
		return err
	}
	others := make([]Contender, len(m.Over))
	for i, t := range m.Over {
		others[i] = m.over(t)
	}
	return Latency{Rates: []float64{quietRate}, For: m.For, Conns: m.Conns, Limit: m.Limit}.Run(ctx, out, others...)
}

func (m Transports) over(t Transport) Posthorn {
	p := m.Engine
	p.Transport = t
	return p
}

// once is one run. Processor times and costs are of the whole of it, the start and the warming too.
func (m Transports) once(ctx context.Context, into *carriage) error {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	before, err := into.used()
	if err != nil {
		return err
	}
	r, err := measure(ctx, m.over(into.Transport), m.Conns, m.Count, numbered.Closed)
	if err != nil {
		return err
	}
	after, err := into.used()
	if err != nil {
		return err
	}
	requests := float64(m.Count + warming(m.Count))
	_, first, _ := r.record.Span()
	into.delivered = append(into.delivered, perSecond(m.Count, slices.Max(r.arrivals)-first))
	for _, each := range []struct {
		into *[]float64
		of   float64
	}{
		{&into.engine, float64(r.usage.CPU.Microseconds())},
		{&into.broker, float64((after - before).Microseconds())},
		{&into.syncs, float64(r.cost.Syncs)},
		{&into.envelopes, float64(r.cost.Envelopes)},
		{&into.bytes, float64(r.cost.Bytes)},
		{&into.again, float64(r.repeated)},
	} {
		*each.into = append(*each.into, each.of/requests)
	}
	return nil
}

// used is the processor time of the broker so far.
func (t Transport) used() (time.Duration, error) {
	if t.PID == 0 {
		return 0, nil
	}
	return child.CPUOf(t.PID)
}

func (m Transports) report(out io.Writer, all []carriage) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d runs of %d requests each, interleaved, %d connections; delivered a second: median (least..greatest); a call: medians\n\n",
		m.Rounds, m.Count, m.Conns)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "over\tdelivered/s\tof %s\taim\tengine µs\tbroker µs\tenvelopes\tbytes\tsyncs\trepeated\t\n", all[0].Name)
	median := func(values []float64) float64 { return stats.SpreadOf(values).Median }
	base := median(all[0].delivered)
	for _, c := range all {
		share := median(c.delivered) / base
		fmt.Fprintf(w, "%s\t%v\t%.2f\t%s\t%.0f\t%.0f\t%.3f\t%.0f\t%.3f\t%.4f\t\n", c.Name, stats.SpreadOf(c.delivered), share, c.aim(share),
			median(c.engine), median(c.broker), median(c.envelopes), median(c.bytes), median(c.syncs), median(c.again))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	text.WriteString("\n")
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// aim says whether a share of the first transport's rate is what was aimed at.
func (t Transport) aim(share float64) string {
	switch {
	case t.Aim == 0:
		return "-"
	case share < t.Aim:
		return fmt.Sprintf("%.2f missed", t.Aim)
	default:
		return fmt.Sprintf("%.2f reached", t.Aim)
	}
}
