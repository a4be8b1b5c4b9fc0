package portstest

import (
	"fmt"
	"maps"
	"slices"

	"posthorn/ports"
)

// six stores entries of the events 1, 2-3, 4, 5-6, 7, 8.
func six(b *bench) []ports.Entry {
	all := []ports.Entry{entry(1, 1, "1"), entry(2, 3, "2"), entry(4, 4, "4"), entry(5, 6, "5"), entry(7, 7, "7"), entry(8, 8, "8")}
	b.apply(ports.Commit{Entries: all})
	return all
}

func testRewrite(b *bench) {
	all := six(b)
	b.apply(ports.Commit{
		Entries:  []ports.Entry{entry(9, 9, "9")},
		Rewrites: []ports.Entry{entry(5, 6, "new"), entry(1, 1, ""), gone(4, 4)},
		Puts:     []ports.Pair{pair("a", "1")},
	})
	b.same(content{
		Pairs:   []ports.Pair{pair("a", "1")},
		Entries: []ports.Entry{entry(1, 1, ""), all[1], entry(5, 6, "new"), all[4], all[5], entry(9, 9, "9")},
		Last:    9,
	})
	b.apply(ports.Commit{Rewrites: []ports.Entry{entry(5, 6, "newer")}})
	b.view(func(r ports.Reader) error {
		got, err := entries(r, 3)
		if d := diff([]ports.Entry{entry(5, 6, "newer"), all[4], all[5], entry(9, 9, "9")}, got); d != "" {
			b.t.Errorf("entries after a removed one (-want +got):\n%s", d)
		}
		return err
	})
}

func testRewriteMissing(b *bench) {
	six(b)
	bad := func(rewrites ...ports.Entry) {
		b.t.Helper()
		b.refuse(ports.Commit{
			Entries: []ports.Entry{entry(9, 9, "9")}, Rewrites: rewrites, Puts: []ports.Pair{pair("k", "refused")},
		}, ports.ErrNotFound)
	}
	for _, of := range []func(first, last uint64) ports.Entry{gone, func(f, l uint64) ports.Entry { return entry(f, l, "x") }} {
		bad(of(0, 0))
		bad(of(2, 2))
		bad(of(3, 3))
		bad(of(1, 3))
		bad(of(5, 7))
		bad(of(4, 4), of(10, 10))
		bad(of(9, 9)) // it comes with this very commit
	}
	b.refuse(ports.Commit{Rewrites: []ports.Entry{entry(4, 4, "x"), gone(4, 4)}}, nil)
	b.apply(ports.Commit{Rewrites: []ports.Entry{gone(4, 4), gone(2, 3)}})
	bad(gone(4, 4))
	bad(entry(4, 4, "back"))
	bad(entry(2, 4, "the gap"))
}

// testRewriteFarApart: what is rewritten may lie anywhere in a long log, in runs and alone, beside gaps and not.
func testRewriteFarApart(b *bench) {
	var all []ports.Entry
	for n := range uint64(200) {
		all = append(all, entry(2*n+1, 2*n+2, fmt.Sprint(n)))
	}
	b.apply(ports.Commit{Entries: all})
	left := map[int]ports.Entry{}
	for i, e := range all {
		left[i] = e
	}
	for round, removed := range [][]int{{0, 1, 2, 60, 61, 140, 199}, {3, 59, 62, 63, 100, 139, 141, 198}, {5, 4, 101, 99, 142, 20}} {
		var c ports.Commit
		for _, i := range removed {
			c.Rewrites = append(c.Rewrites, gone(all[i].First, all[i].Last))
			delete(left, i)
		}
		for _, i := range []int{30, 120, 180} {
			left[i] = entry(all[i].First, all[i].Last, fmt.Sprint("new ", round))
			c.Rewrites = append(c.Rewrites, left[i])
		}
		b.apply(c)
		want := content{Last: 400}
		for _, i := range slices.Sorted(maps.Keys(left)) {
			want.Entries = append(want.Entries, left[i])
		}
		b.same(want)
	}
}

func testRewriteLimit(b *bench) {
	limits := b.store.Limits()
	most := limits.CommitWrites / ports.RewriteWrites
	c := ports.Commit{}
	for n := range uint64(most + 1) {
		c.Entries = append(c.Entries, entry(n+1, n+1, "x"))
	}
	b.apply(c)
	odd := ports.Commit{Rewrites: c.Entries[:0:0]} // every second: each will stand alone
	for n := 1; n <= most; n += 2 {
		odd.Rewrites = append(odd.Rewrites, gone(uint64(n), uint64(n)))
	}
	b.apply(odd)
	for i := range c.Entries {
		c.Entries[i].Data = make([]byte, limits.CommitBytes/most)
	}
	b.refuse(ports.Commit{Rewrites: c.Entries}, ports.ErrTooLarge)
	b.refuse(ports.Commit{Rewrites: []ports.Entry{{First: 2, Last: 2, Data: make([]byte, limits.ValueBytes+1)}}}, ports.ErrTooLarge)
	even := ports.Commit{}
	for n := 2; n <= most; n += 2 {
		even.Rewrites = append(even.Rewrites, gone(uint64(n), uint64(n)))
	}
	b.apply(even)
	b.same(content{Entries: []ports.Entry{entry(uint64(most+1), uint64(most+1), "x")}, Last: uint64(most + 1)})
}

func testRemove(b *bench) {
	all := six(b)
	for _, step := range []struct {
		remove, left []ports.Entry
	}{
		{[]ports.Entry{gone(4, 4)}, []ports.Entry{all[0], all[1], all[3], all[4], all[5]}},
		{[]ports.Entry{gone(7, 7)}, []ports.Entry{all[0], all[1], all[3], all[5]}},
		{[]ports.Entry{gone(5, 6)}, []ports.Entry{all[0], all[1], all[5]}}, // joins the two before
		{[]ports.Entry{gone(1, 1)}, []ports.Entry{all[1], all[5]}},
		{[]ports.Entry{gone(8, 8)}, []ports.Entry{all[1]}},
	} {
		b.apply(ports.Commit{Rewrites: step.remove})
		b.same(content{Entries: step.left, Last: 8})
	}
	b.view(func(r ports.Reader) error {
		for after, want := range []int{1, 1, 1, 0, 0, 0, 0, 0, 0, 0} {
			if got, err := entries(r, uint64(after)); len(got) != want || err != nil {
				b.t.Errorf("entries after %d: %v, %v, want %d", after, got, err, want)
			}
		}
		return nil
	})
	b.apply(ports.Commit{Entries: []ports.Entry{entry(9, 10, "9")}})
	b.same(content{Entries: []ports.Entry{all[1], entry(9, 10, "9")}, Last: 10})
}

func testRemoveBesideView(b *bench) {
	all := six(b)
	b.view(func(r ports.Reader) error {
		b.apply(ports.Commit{Rewrites: []ports.Entry{gone(8, 8), entry(1, 1, "new")}})
		got, err := entries(r, 0)
		if d := diff(all, got); d != "" {
			b.t.Errorf("a view from before shows (-want +got):\n%s", d)
		}
		return err
	})
}

func testRemoveAll(b *bench) {
	all := six(b)
	c := ports.Commit{}
	for _, e := range all {
		c.Rewrites = append(c.Rewrites, gone(e.First, e.Last))
	}
	b.apply(c)
	b.same(content{Last: 8})
	b.refuse(ports.Commit{Entries: []ports.Entry{entry(1, 1, "again")}}, ports.ErrOutOfOrder)
	b.apply(ports.Commit{Entries: []ports.Entry{entry(9, 9, "9")}})
	b.same(content{Entries: []ports.Entry{entry(9, 9, "9")}, Last: 9})
}

func testReopenGaps(b *bench) {
	all := six(b)
	b.apply(ports.Commit{Rewrites: []ports.Entry{gone(2, 3), gone(4, 4), gone(8, 8), entry(5, 6, "new")}})
	b.reopen()
	b.same(content{Entries: []ports.Entry{all[0], entry(5, 6, "new"), all[4]}, Last: 8})
	b.apply(ports.Commit{Rewrites: []ports.Entry{gone(1, 1), gone(5, 6), gone(7, 7)}})
	b.reopen()
	b.same(content{Last: 8})
	b.apply(ports.Commit{Entries: []ports.Entry{entry(9, 9, "9")}})
	b.reopen()
	b.same(content{Entries: []ports.Entry{entry(9, 9, "9")}, Last: 9})
}
