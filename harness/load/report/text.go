package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"posthorn/harness/load"
)

// shown is how many ids of a kind stand in the text; the page and the JSON have more.
const shown = 10

// Text writes the result for a terminal.
func Text(w io.Writer, r *load.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s\n", r.Run, r.Target)
	fmt.Fprintf(&b, "accepted   %s of %s triggers, %.1f/s\n", grouped(r.Accepted), grouped(r.Generator.Sent), r.AcceptedPerSecond)
	fmt.Fprintf(&b, "delivered  %s of %s expected, %.1f/s; %s deliveries, %s repeats, %s out of order, %s not verified\n", grouped(r.Arrived),
		grouped(r.Expected), r.DeliveredPerSecond, grouped(r.Deliveries), grouped(r.Repeats), grouped(r.OutOfOrder), grouped(r.Unchecked))
	fmt.Fprintf(&b, "lost %s, bad signatures %s, duplicated %s\n", grouped(r.Lost.Count), grouped(r.Bad.Count), grouped(r.Duplicated.Count))
	if !r.Generator.Held && !r.Interrupted {
		fmt.Fprintf(&b, "the generator could not hold its rate: %s of %s triggers made, %.1f/s; latencies count from when each was due\n",
			grouped(r.Generator.Sent), grouped(r.Generator.Planned), r.Generator.PerSecond)
	}
	tables(&b, r)
	for _, n := range lists(r) {
		list(&b, n)
	}
	if r.FirstRefusal != "" {
		fmt.Fprintf(&b, "first refusal: %s\n", r.FirstRefusal)
	}
	b.WriteByte('\n')
	for _, v := range r.Verdicts {
		fmt.Fprintln(&b, v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tables writes what stands in columns.
func tables(b *strings.Builder, r *load.Result) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nms\tp50\tp90\tp99\tp99.9\tmax\t")
	for _, l := range view(r).Latencies {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Name, ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max))
	}
	_ = t.Flush() // a strings.Builder takes everything
	if len(r.Classes) > 1 {
		fmt.Fprintln(t, "\nfault\texpected\tdeliveries\tconfirmed\tended right\tlost\t")
		for _, c := range r.Classes {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", c.Fault, c.Expected, c.Deliveries, c.Confirmed, c.Right, c.Lost)
		}
		_ = t.Flush() // as above
	}
	if h := r.History; h != nil {
		b.WriteString("\nthe sender's history:")
		for _, state := range slices.Sorted(maps.Keys(h.States)) {
			fmt.Fprintf(b, " %s %s", grouped(h.States[state]), state)
		}
		b.WriteByte('\n')
	}
}

func list(b *strings.Builder, n named) {
	fmt.Fprintf(b, "%s: %s\n", n.Name, strings.Join(n.IDs[:min(shown, len(n.IDs))], ", "))
	if n.Count > shown {
		fmt.Fprintf(b, "    and %s more\n", grouped(n.Count-shown))
	}
}
