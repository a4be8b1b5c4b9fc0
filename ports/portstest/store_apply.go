package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"posthorn/ports"
)

func testApplyStoresEverything(b *bench) {
	b.apply(ports.Commit{
		Entries: []ports.Entry{entry(1, 1, "one"), entry(2, 5, "two to five")},
		Puts:    []ports.Pair{pair("b", "2"), pair("a", "1"), pair("empty", "")},
	})
	b.apply(ports.Commit{
		Entries: []ports.Entry{entry(6, 6, "")},
		Puts:    []ports.Pair{pair("a", "again")},
		Deletes: [][]byte{[]byte("b")},
	})
	b.same(content{
		Pairs:   []ports.Pair{pair("a", "again"), pair("empty", "")},
		Entries: []ports.Entry{entry(1, 1, "one"), entry(2, 5, "two to five"), entry(6, 6, "")},
		Last:    6,
	})
}

func testApplyWithoutEntries(b *bench) {
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "1")}})
	b.apply(ports.Commit{Entries: []ports.Entry{entry(1, 2, "x")}})
	b.apply(ports.Commit{Puts: []ports.Pair{pair("b", "2")}})
	b.apply(ports.Commit{})
	b.same(content{
		Pairs:   []ports.Pair{pair("a", "1"), pair("b", "2")},
		Entries: []ports.Entry{entry(1, 2, "x")},
		Last:    2,
	})
}

func testApplyOutOfOrder(b *bench) {
	put := []ports.Pair{pair("k", "refused")}
	bad := func(es ...ports.Entry) {
		b.t.Helper()
		b.refuse(ports.Commit{Entries: es, Puts: put}, ports.ErrOutOfOrder)
	}
	bad(entry(0, 0, "before the first"))
	bad(entry(2, 2, "not the first"))
	bad(entry(1, 0, "ends before it begins"))
	b.apply(ports.Commit{Entries: []ports.Entry{entry(1, 3, "a")}})
	bad(entry(1, 3, "again"))
	bad(entry(3, 4, "overlaps"))
	bad(entry(5, 5, "leaves a gap"))
	bad(entry(4, 4, "right"), entry(6, 6, "gap inside"))
	bad(entry(4, 5, "right"), entry(5, 6, "overlap inside"))
	bad(entry(4, 3, "ends before it begins"))
	b.apply(ports.Commit{Entries: []ports.Entry{entry(4, 4, "b")}})
	b.same(content{Entries: []ports.Entry{entry(1, 3, "a"), entry(4, 4, "b")}, Last: 4})
}

func testApplyTooLarge(b *bench) {
	limits := b.store.Limits()
	first := []ports.Entry{entry(1, 1, "x")}
	over := make([]byte, limits.ValueBytes+1)
	b.refuse(ports.Commit{Entries: first, Puts: []ports.Pair{{Key: []byte("k"), Value: over}}}, ports.ErrTooLarge)
	b.refuse(ports.Commit{Entries: []ports.Entry{{First: 1, Last: 1, Data: over}}}, ports.ErrTooLarge)
	b.refuse(ports.Commit{Entries: first, Puts: fill(limits.CommitBytes, limits.ValueBytes)}, ports.ErrTooLarge)
	b.refuse(ports.Commit{Entries: first, Puts: puts(limits.CommitWrites)}, ports.ErrTooLarge)
	b.refuse(ports.Commit{Deletes: keys(limits.CommitWrites + 1)}, ports.ErrTooLarge)
	b.same(content{})
}

func testApplyAtItsLimits(b *bench) {
	limits := b.store.Limits()
	value := bytes.Repeat([]byte("v"), limits.ValueBytes)
	b.apply(ports.Commit{Entries: []ports.Entry{{First: 1, Last: 1, Data: value}}})
	b.apply(ports.Commit{Puts: []ports.Pair{{Key: []byte("large"), Value: value}}})
	b.view(func(r ports.Reader) error {
		got, err := r.Get([]byte("large"))
		if !bytes.Equal(got, value) {
			b.t.Error("the largest value came back as something else")
		}
		es, errEntries := entries(r, 0)
		if len(es) != 1 || !bytes.Equal(es[0].Data, value) {
			b.t.Error("the largest entry came back as something else")
		}
		return errors.Join(err, errEntries)
	})
	filled := fill(limits.CommitBytes, limits.ValueBytes)
	b.apply(ports.Commit{Puts: filled})
	many := puts(limits.CommitWrites)
	b.apply(ports.Commit{Puts: many, Deletes: nil})
	b.apply(ports.Commit{Puts: many[:1], Deletes: keys(limits.CommitWrites)[1:]})
	if got, want := len(b.dump().Pairs), 1+len(filled)+1; got != want {
		b.t.Errorf("%d pairs, want %d", got, want)
	}
}

func testApplyKeyTwice(b *bench) {
	a := pair("a", "1")
	b.refuse(ports.Commit{Puts: []ports.Pair{a, pair("b", "2"), a}}, nil)
	b.refuse(ports.Commit{Puts: []ports.Pair{a}, Deletes: [][]byte{a.Key}}, nil)
	b.refuse(ports.Commit{Deletes: [][]byte{a.Key, a.Key}}, nil)
}

func testApplyDeletes(b *bench) {
	b.apply(ports.Commit{Deletes: [][]byte{[]byte("never was")}})
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "1"), pair("b", "2")}})
	b.apply(ports.Commit{Deletes: [][]byte{[]byte("a")}})
	b.apply(ports.Commit{Deletes: [][]byte{[]byte("a")}})
	b.same(content{Pairs: []ports.Pair{pair("b", "2")}})
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "back")}})
	b.same(content{Pairs: []ports.Pair{pair("a", "back"), pair("b", "2")}})
}

func testApplyEndedContext(b *bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.store.Apply(ctx, ports.Commit{Puts: []ports.Pair{pair("a", "1")}})
	if !errors.Is(err, context.Canceled) {
		b.t.Fatalf("Apply returned %v, want %v", err, context.Canceled)
	}
	b.same(content{})
}

func testApplyLeavesSlices(b *bench) {
	c := ports.Commit{
		Entries: []ports.Entry{entry(1, 1, "data")},
		Puts:    []ports.Pair{pair("key", "value"), pair("gone", "x")},
	}
	b.apply(c)
	gone := []byte("gone")
	b.apply(ports.Commit{Deletes: [][]byte{gone}})
	for _, s := range [][]byte{c.Entries[0].Data, c.Puts[0].Key, c.Puts[0].Value, c.Puts[1].Key, gone} {
		copy(s, "######")
	}
	c.Entries[0].Last, c.Puts[0] = 9, pair("other", "other")
	b.same(content{Pairs: []ports.Pair{pair("key", "value")}, Entries: []ports.Entry{entry(1, 1, "data")}, Last: 1})
}

// puts returns n pairs with different keys.
func puts(n int) []ports.Pair {
	all := make([]ports.Pair, n)
	for i, k := range keys(n) {
		all[i].Key = k
	}
	return all
}

func keys(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, "k%06d", i)
	}
	return all
}

// fill returns pairs of exactly size bytes together, the values at most largest.
func fill(size, largest int) []ports.Pair {
	var all []ports.Pair
	for size > 0 {
		key := fmt.Sprintf("fill%06d", len(all))
		if size <= len(key) {
			key = strings.Repeat("f", size)
		}
		value := make([]byte, min(size-len(key), largest))
		all = append(all, ports.Pair{Key: []byte(key), Value: value})
		size -= len(key) + len(value)
	}
	return all
}
