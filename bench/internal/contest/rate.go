package contest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
)

// VoidBelow is the least share of single-hop that two-hop must have: below it something else had the processors, and no ratio of
// that run says anything.
const VoidBelow = 0.3

// Rate measures deliveries a second: each contender with each number of connections, in interleaved rounds, so that what disturbs
// the machine disturbs all.
type Rate struct {
	Conns  []int         // connections of the generator
	Rounds int           // runs of each contender with each number of connections
	Count  int           // measured requests of a run
	Limit  time.Duration // for one run, from start to stop
}

// rates are the results of one contender with one number of connections, a value a round.
type rates struct {
	contender           string
	conns               int
	accepted, delivered []float64 // a second
	notes               []string
}

// Run measures and prints the table to out. SingleHop and TwoHop come first, whatever the others are. It returns an error when a run fails,
// or when the result is void.
func (m Rate) Run(ctx context.Context, out io.Writer, others ...Contender) error {
	contenders := append([]Contender{SingleHop{}, TwoHop{}}, others...)
	var all []rates
	for _, conns := range m.Conns {
		table := make([]rates, len(contenders))
		for round := range m.Rounds {
			for i, c := range contenders {
				table[i].contender, table[i].conns = c.Name(), conns
				if err := m.once(ctx, c, &table[i]); err != nil {
					return fmt.Errorf("round %d of %d, %d connections: %w", round+1, m.Rounds, conns, err)
				}
			}
		}
		all = append(all, table...)
	}
	return m.report(out, all)
}

func (m Rate) once(ctx context.Context, c Contender, into *rates) error {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	r, err := measure(ctx, c, into.conns, m.Count, numbered.Closed)
	if err != nil {
		return err
	}
	sent, first, last := r.record.Span()
	into.accepted = append(into.accepted, perSecond(m.Count, last-sent))
	into.delivered = append(into.delivered, perSecond(m.Count, slices.Max(r.arrivals)-first))
	into.notes = append(into.notes, describe(r, m.Count)...)
	return nil
}

func perSecond(count int, took time.Duration) float64 { return float64(count) / took.Seconds() }

// describe says what else is worth knowing of a run.
func describe(r run, count int) (notes []string) {
	if r.usage.CPU > 0 {
		// Its whole life, so the start and the warming count too.
		perRequest := r.usage.CPU / time.Duration(count+warming(count))
		notes = append(notes, fmt.Sprintf("%v CPU/request, peak %d MiB", perRequest.Round(time.Microsecond), r.usage.Peak>>20))
	}
	if r.repeated > 0 {
		notes = append(notes, fmt.Sprintf("%d repeated", r.repeated))
	}
	if r.cost != (Cost{}) {
		notes = append(notes, r.cost.String())
	}
	return notes
}

func (m Rate) report(out io.Writer, all []rates) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d runs of %d requests each, interleaved; median (least..greatest) a second\n\n", m.Rounds, m.Count)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "conns\tcontender\taccepted/s\tdelivered/s\tof two-hop\t")
	var void []string
	for _, r := range all {
		delivered, twoHop := stats.SpreadOf(r.delivered), find(all, TwoHop{}, r.conns)
		fmt.Fprintf(w, "%d\t%s\t%v\t%v\t%.2f\t\n", r.conns, r.contender, stats.SpreadOf(r.accepted), delivered, delivered.Median/twoHop)
		if share := twoHop / find(all, SingleHop{}, r.conns); r.contender == (TwoHop{}).Name() && share < VoidBelow {
			void = append(void, fmt.Sprintf("with %d connections two-hop is %.2f of single-hop, under %.1f", r.conns, share, VoidBelow))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, r := range all {
		for _, note := range r.notes {
			fmt.Fprintf(&text, "\n%s, %d connections: %s", r.contender, r.conns, note)
		}
	}
	text.WriteString(ratios(all))
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if void != nil {
		return fmt.Errorf("VOID: %s; something else has the processors: end it, and run again", strings.Join(void, "; "))
	}
	return nil
}

// find returns the median of what c delivered with conns connections.
func find(all []rates, c Contender, conns int) float64 {
	i := slices.IndexFunc(all, func(r rates) bool { return r.contender == c.Name() && r.conns == conns })
	return stats.SpreadOf(all[i].delivered).Median
}

// ratios compares each contender at its best number of connections with two-hop at its best.
func ratios(all []rates) string {
	best := map[string]float64{}
	var names []string
	for _, r := range all {
		if !slices.Contains(names, r.contender) {
			names = append(names, r.contender)
		}
		best[r.contender] = max(best[r.contender], stats.SpreadOf(r.delivered).Median)
	}
	var text strings.Builder
	text.WriteString("\n\n")
	for _, name := range names {
		if name != (SingleHop{}).Name() && name != (TwoHop{}).Name() {
			fmt.Fprintf(&text, "ratio %s delivered / two-hop, each at its best: %.2f\n", name, best[name]/best[TwoHop{}.Name()])
		}
	}
	return text.String()
}
