package crash

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

func (v *verdict) fleetTable(text *strings.Builder) {
	t := tabwriter.NewWriter(text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "kill\tat\twhat\tby\taccepted\tunanswered\tunder way\tnot recorded\trepeated\tback after\t\n")
	for _, k := range v.kills {
		fmt.Fprintf(t, "%d\t%.1f s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%v\t\n", k.number, k.at.Sub(v.t.began).Seconds(), k.what, k.how,
			k.accepted, k.unanswered, k.underWay, k.unknown, k.repeated, k.back.Round(time.Millisecond))
	}
	_ = t.Flush() // a Builder never fails
}

func (v *verdict) fleetSums(text *strings.Builder) {
	var underWay []int
	for _, k := range v.kills {
		underWay = append(underWay, k.underWay)
	}
	fmt.Fprintf(text, "%d kills, each with attempts under way: %s (least/median/most)\n", len(v.kills), spread(underWay))
	fmt.Fprintf(text, "of the repeats %d were under way at a kill, %d had a lease that ended, %d had a task that came twice\n",
		v.because.underWay, v.because.leases, v.because.copies)
}
