package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// diff compares what is of interest in the rows, and all answers that were not lost. It is empty where both agree and nothing went wrong.
func (want account) diff(got account, interest func(string) bool) string {
	var b strings.Builder
	for _, problem := range slices.Concat(want.problems, got.problems) {
		fmt.Fprintln(&b, problem)
	}
	for _, what := range slices.Sorted(maps.Keys(want.results)) {
		if w, g := want.results[what], got.results[what]; w != g && w != "" && g != "" {
			fmt.Fprintf(&b, "%s\n  was answered %s, not %s\n", what, g, w)
		}
	}
	for _, when := range slices.SortedFunc(maps.Keys(want.looks), byTime) {
		rows := slices.DeleteFunc(slices.Clone(got.looks[when]), func(row string) bool { return !interest(row) })
		if lost, extra := compare(want.looks[when], rows); len(lost)+len(extra) > 0 {
			fmt.Fprintf(&b, "rows %s, - as they should be, + as they are:\n", when)
			for _, row := range lost {
				fmt.Fprintf(&b, "  - %s\n", row)
			}
			for _, row := range extra {
				fmt.Fprintf(&b, "  + %s\n", row)
			}
			break // what comes after follows from it
		}
	}
	return b.String()
}

// byTime orders the looks: after the steps, after the last, at the end.
func byTime(a, b string) int {
	rank := func(when string) (n int) {
		switch when {
		case atLast:
			return 1 << 20
		case atTheEnd:
			return 1 << 21
		}
		_, _ = fmt.Sscanf(when, "after step %d", &n) // it was written so
		return n
	}
	return rank(a) - rank(b)
}

// compare walks two sorted lists.
func compare(want, got []string) (lost, extra []string) {
	for len(want)+len(got) > 0 {
		switch {
		case len(got) == 0 || len(want) > 0 && want[0] < got[0]:
			lost, want = append(lost, want[0]), want[1:]
		case len(want) == 0 || got[0] < want[0]:
			extra, got = append(extra, got[0]), got[1:]
		default:
			want, got = want[1:], got[1:]
		}
	}
	return lost, extra
}

// reduceFor bounds how long a list is reduced.
const reduceFor = 20 * time.Second

// reduce drops steps and commands as long as the list still differs, and returns what is left with its difference.
func reduce(l list, differs func(list) string) (least list, diff string) {
	diff = differs(l)
	if diff == "" {
		return l, ""
	}
	for until, again := time.Now().Add(reduceFor), true; again; {
		again = false
		for _, shorter := range l.shorter() {
			if time.Now().After(until) {
				return l, diff
			}
			if d := differs(shorter); d != "" {
				l, diff, again = shorter, d, true
				break
			}
		}
	}
	return l, diff
}

// shorter returns the lists that have one thing less: a step, whose time stays, a late command, a command.
func (l list) shorter() (out []list) {
	without := func(change func(*list)) {
		shorter := l
		shorter.steps = slices.Clone(l.steps)
		change(&shorter)
		out = append(out, shorter)
	}
	for i := range slices.Backward(l.steps) {
		without(func(s *list) {
			if i+1 < len(s.steps) {
				s.steps[i+1].cells += s.steps[i].cells
			}
			s.steps = slices.Delete(s.steps, i, i+1)
		})
	}
	for i, s := range slices.Backward(l.steps) {
		if s.late != nil {
			without(func(l *list) { l.steps[i].late = nil })
		}
		for j, batch := range s.batches {
			for k := range batch {
				without(func(l *list) {
					l.steps[i].batches = slices.Clone(s.batches)
					l.steps[i].batches[j] = slices.Delete(slices.Clone(batch), k, k+1)
				})
			}
		}
	}
	return out
}
