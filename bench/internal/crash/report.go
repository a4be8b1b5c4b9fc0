package crash

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// shown is how many faults of a kind are spelled out.
const shown = 20

// print writes a line for each kill, the faults, and the sums.
func (v *verdict) print(out io.Writer, took time.Duration) error {
	var text strings.Builder
	if v.t.fleet {
		v.fleetTable(&text)
		v.spell(&text)
		v.fleetSums(&text)
	} else {
		v.table(&text)
		v.spell(&text)
		v.sums(&text)
	}
	v.orderTable(&text)
	v.total(&text, took)
	_, err := io.WriteString(out, text.String())
	return err
}

func (v *verdict) table(text *strings.Builder) {
	t := tabwriter.NewWriter(text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "kill\taccepted\tunanswered\tunder way\tanswered, not stored\trepeated\tstarts killed\tback after\t\n")
	for _, k := range v.kills {
		note := ""
		if !k.counts() {
			note = "not counted"
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%s\n", k.number, k.accepted, k.unanswered, k.underWay, k.unknown-k.underWay, k.repeated,
			k.startCut, k.back.Round(time.Millisecond), note)
	}
	_ = t.Flush() // a Builder never fails
}

func (v *verdict) spell(text *strings.Builder) {
	slices.SortFunc(v.faults, func(a, b fault) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.what, b.what)) })
	count := map[string]int{}
	for _, f := range v.faults {
		if count[f.kind]++; count[f.kind] <= shown {
			fmt.Fprintf(text, "%s  %s\n", f.kind, f.what)
		}
	}
	for kind, n := range count {
		if n > shown {
			fmt.Fprintf(text, "%s  %d in all\n", kind, n)
		}
	}
}

func (v *verdict) sums(text *strings.Builder) {
	var unanswered, underWay []int
	cut := 0
	for _, k := range v.kills {
		cut += k.startCut
		if k.counts() {
			unanswered, underWay = append(unanswered, k.unanswered), append(underWay, k.underWay)
		}
	}
	fmt.Fprintf(text, "%d kills, and %d while it started; at a kill %s commands unanswered, %s attempts under way (least/median/most)\n",
		len(underWay), cut, spread(unanswered), spread(underWay))
}

// total writes what every run ends with.
func (v *verdict) total(text *strings.Builder, took time.Duration) {
	fmt.Fprintf(text, "%d accepted, %d calls, %d deliveries, %d of them repeats; log verify passed, log rebuild answers alike: %v\n",
		v.t.told.count(), len(v.t.calls), len(v.t.deliveries), v.repeats, len(v.t.different) == 0)
	lostOnes := 0
	for _, f := range v.faults {
		if f.kind == lost {
			lostOnes++
		}
	}
	fmt.Fprintf(text, "lost %d, other faults %d, in %.1f s\n", lostOnes, len(v.faults)-lostOnes, took.Seconds())
}

func spread(numbers []int) string {
	if len(numbers) == 0 {
		return "-"
	}
	slices.Sort(numbers)
	return fmt.Sprintf("%d/%d/%d", numbers[0], numbers[len(numbers)/2], numbers[len(numbers)-1])
}
