package engine_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
)

// The metamorphic test: one random list of commands, run in many settings, leaves the same rows; and they are those that a model of the
// promises foresees. Read meta_list_test.go for what a list is, meta_model_test.go for the model, meta_rows_test.go for what is compared.

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of TestMetamorphic")
	seeds     = flag.Uint64("seeds", 1, "how many seeds TestMetamorphic runs; `make check` runs 200")
)

// A setting is one way to run a list.
type setting struct {
	badger            bool
	workers           int // who send a batch's commands: one after the other, or all at once
	part              int // of the store's limits: large parts make small batches
	restarts, crashes bool
}

func (s setting) String() string {
	store := "memstore"
	if s.badger {
		store = "badger"
	}
	return fmt.Sprintf("%s, %d workers, 1/%d of the limits, restarts %t, crashes %t", store, s.workers, s.part, s.restarts, s.crashes)
}

// settings: the first is compared with the model, the others with the first.
var settings = []setting{
	{workers: 1, part: 1},
	{workers: 64, part: 1},
	{workers: 64, part: 200},
	{workers: 1, part: 1, restarts: true, crashes: true},
	{workers: 64, part: 1, restarts: true, crashes: true},
	{badger: true, workers: 1, part: 1, crashes: true},
	{badger: true, workers: 64, part: 1, restarts: true},
}

func TestMetamorphic(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := draw(seed)
			base := play(t, l, settings[0], false)
			if diff := foresee(l, base).diff(base, foreseen); diff != "" {
				report(t, l, settings[0], diff)
				return
			}
			for _, s := range settings[1:] {
				if diff := base.diff(play(t, l, s, false), everything); diff != "" {
					report(t, l, s, diff)
					return
				}
			}
		})
	}
}

// report fails the test with the least account of a difference that it finds.
func report(t *testing.T, l list, s setting, diff string) {
	t.Helper()
	least, last := reduce(l, func(l list) string {
		base := play(t, l, settings[0], true)
		if s == settings[0] {
			return foresee(l, base).diff(base, foreseen)
		}
		return base.diff(play(t, l, s, true), everything)
	})
	if last == "" {
		last = diff + "It did not come again: the order of goroutines has a part in it.\n"
	}
	t.Errorf("seed %d, %s\nrepeat it with: go test ./engine -run TestMetamorphic -seed %d -seeds 1\n\n%s\n%s", l.seed, s, l.seed, least, last)
}

// An account is what a run has left: how commands were answered, and the rows when they were looked at.
type account struct {
	problems []string
	results  map[string]string
	looks    map[string][]string
}

// play runs a list in a setting.
func play(t *testing.T, l list, s setting, trace bool) account {
	t.Helper()
	r := &run{t: t, list: l, setting: s, disk: memDisk{memstore.New()}, trace: trace}
	if s.badger {
		w := newWindow()
		defer w.close()
		r.disk = &badgerDisk{window: w, root: t.TempDir()}
	}
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		r.tell()
	})
	return account{problems: r.problems, results: r.results, looks: r.looks}
}

// foresee asks the model, at the times at which the run was looked at.
func foresee(l list, base account) account {
	m := newModel(l, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(begin)) // a bubble's clock begins in 2000
	out := account{results: m.results, looks: map[string][]string{}}
	at := m.now
	for i, s := range l.steps {
		at = at.Add(time.Duration(s.cells) * cell)
		m.play(at)
		m.step(s, at.Add(lookAt))
		if when := fmt.Sprintf("after step %d", s.number); base.looks[when] != nil {
			out.looks[when] = m.lines()
		}
		if i == len(l.steps)-1 {
			out.looks[atLast] = m.lines()
		}
	}
	m.play(at.Add(drainFor + lookAt))
	out.looks[atTheEnd] = m.lines()
	return out
}

func foreseen(row string) bool { return !strings.HasPrefix(row, beside) }

func everything(string) bool { return true }
