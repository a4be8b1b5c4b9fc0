package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"posthorn/ports"
)

func testEmptyStore(b *bench) {
	b.same(content{})
	b.view(func(r ports.Reader) error {
		if _, err := r.Get([]byte("a")); !errors.Is(err, ports.ErrNotFound) {
			b.t.Errorf("Get returned %v, want %v", err, ports.ErrNotFound)
		}
		last, err := r.LastSeq()
		if last != 0 {
			b.t.Errorf("LastSeq returned %d, want 0", last)
		}
		return err
	})
}

func testGet(b *bench) {
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "1"), pair("empty", ""), pair("ab", "2")}})
	var kept []byte
	b.view(func(r ports.Reader) error {
		for _, missing := range []string{"", "A", "b", "aa", "abc", "a\x00"} {
			if _, err := r.Get([]byte(missing)); !errors.Is(err, ports.ErrNotFound) {
				b.t.Errorf("Get(%q) returned %v, want %v", missing, err, ports.ErrNotFound)
			}
		}
		if v, err := r.Get([]byte("empty")); len(v) != 0 || err != nil {
			b.t.Errorf("Get(empty) returned %q, %v", v, err)
		}
		mine, err := r.Get([]byte("a"))
		if err != nil {
			return err
		}
		copy(mine, "#") // the caller owns the slice
		kept, err = r.Get([]byte("a"))
		return err
	})
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "3")}})
	if string(kept) != "1" {
		b.t.Errorf("Get returned %q, want 1, also after the view has ended", kept)
	}
}

func testScanBounds(b *bench) {
	b.apply(ports.Commit{
		Puts:    []ports.Pair{pair("a", "1"), pair("b", "2"), pair("ba", "3"), pair("c", "4")},
		Entries: []ports.Entry{entry(1, 9, "no part of any scan")},
	})
	for _, c := range []struct {
		from, to []byte
		want     string
	}{
		{nil, nil, "a b ba c"},
		{nil, []byte("b"), "a"},
		{[]byte{}, []byte{}, ""},
		{[]byte("a"), nil, "a b ba c"},
		{[]byte("b"), nil, "b ba c"},
		{[]byte("b"), []byte("c"), "b ba"},
		{[]byte("b"), []byte("b"), ""},
		{[]byte("b"), []byte("b\x00"), "b"},
		{[]byte("aa"), []byte("bb"), "b ba"},
		{[]byte("c"), []byte("a"), ""},
		{[]byte("d"), nil, ""},
		{[]byte{0}, []byte{0xff, 0xff}, "a b ba c"},
		{[]byte{0xff, 0xff}, nil, ""},
	} {
		b.scans(c.from, c.to, c.want)
	}
}

// scans checks the keys between from and to, both ways.
func (b *bench) scans(from, to []byte, want string) {
	b.t.Helper()
	for _, reverse := range []bool{false, true} {
		got := ""
		b.view(func(r ports.Reader) error {
			all, err := scan(r, from, to, reverse)
			for _, p := range all {
				if reverse {
					got = string(p.Key) + " " + got
				} else {
					got += string(p.Key) + " "
				}
			}
			return err
		})
		if got != want && got != want+" " {
			b.t.Errorf("scan from %q to %q, reverse %v: keys %q, want %q", from, to, reverse, got, want)
		}
	}
}

func testScanOrder(b *bench) {
	sorted := []ports.Pair{
		pair("", "empty"), pair("\x00", ""), pair("\x00\x00", ""), pair("\x01", ""), pair("a", ""), pair("a\x00", ""),
		pair("a\xff", ""), pair("b", ""), pair("\x7f", ""), pair("\x80", ""), pair("\xff", ""), pair("\xff\xff", ""),
		pair("\xff\xff\xff", ""),
	}
	for _, i := range []int{5, 0, 12, 3, 7, 1, 9, 11, 2, 10, 4, 6, 8} {
		b.apply(ports.Commit{Puts: sorted[i : i+1]})
	}
	b.same(content{Pairs: sorted})
	b.view(func(r ports.Reader) error {
		got, err := scan(r, nil, nil, true)
		for i, p := range got {
			if want := sorted[len(sorted)-1-i].Key; !bytes.Equal(p.Key, want) {
				b.t.Errorf("reverse scan, step %d: key %q, want %q", i, p.Key, want)
			}
		}
		if len(got) != len(sorted) {
			b.t.Errorf("reverse scan: %d pairs, want %d", len(got), len(sorted))
		}
		return err
	})
}

// testScanStops leaves a scan early, and runs the same one again: it starts over.
func testScanStops(b *bench) {
	b.apply(ports.Commit{Puts: puts(100), Entries: []ports.Entry{entry(1, 1, "1"), entry(2, 2, "2")}})
	b.view(func(r ports.Reader) error {
		pairs := r.Scan(nil, nil, false)
		for range 3 {
			next := 0
			for p, err := range pairs {
				b.check(err)
				if want := fmt.Sprintf("k%06d", next); string(p.Key) != want {
					b.t.Errorf("step %d yields %q, want %q", next, p.Key, want)
				}
				if next++; next == 5 {
					break
				}
			}
		}
		for e, err := range r.Entries(0) {
			b.check(err)
			if e.Last != 1 {
				b.t.Errorf("the first entry ends at %d, want 1", e.Last)
			}
			break
		}
		return nil
	})
}

func testEntriesAfter(b *bench) {
	all := []ports.Entry{entry(1, 1, "1"), entry(2, 5, "2-5"), entry(6, 8, "6-8"), entry(9, 9, "9")}
	b.apply(ports.Commit{Entries: all[:1]})
	b.apply(ports.Commit{Entries: all[1:3]})
	b.apply(ports.Commit{Entries: all[3:]})
	b.view(func(r ports.Reader) error {
		for after, want := range [][]ports.Entry{
			0: all, 1: all[1:], 2: all[1:], 4: all[1:], 5: all[2:], 6: all[2:], 7: all[2:], 8: all[3:], 9: nil, 10: nil, 300: nil,
		} {
			if want == nil && after < 9 {
				continue
			}
			got, err := entries(r, uint64(after))
			if err != nil {
				return err
			}
			if d := diff(want, got); d != "" {
				b.t.Errorf("entries after %d (-want +got):\n%s", after, d)
			}
		}
		got, err := entries(r, ^uint64(0))
		if len(got) != 0 {
			b.t.Errorf("entries after the largest number: %v", got)
		}
		return err
	})
}

// testEntriesOrder goes over the places where numbers written as bytes could be sorted wrongly.
func testEntriesOrder(b *bench) {
	next := uint64(1)
	lasts := []uint64{9, 10, 99, 100, 255, 256, 257, 65535, 65536, 1 << 32, 1<<32 + 1, 1 << 48, 1<<63 + 1}
	want := make([]ports.Entry, 0, len(lasts))
	for _, last := range lasts {
		e := entry(next, last, fmt.Sprint("to ", last))
		b.apply(ports.Commit{Entries: []ports.Entry{e}})
		want, next = append(want, e), last+1
	}
	b.same(content{Entries: want, Last: 1<<63 + 1})
}

func testViewError(b *bench) {
	mine := errors.New("mine")
	if err := b.store.View(context.Background(), func(ports.Reader) error { return mine }); !errors.Is(err, mine) {
		b.t.Errorf("View returned %v, want what read returned", err)
	}
}

func testViewEndedContext(b *bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.store.View(ctx, func(ports.Reader) error { return nil })
	if err != nil && !errors.Is(err, context.Canceled) {
		b.t.Errorf("View returned %v, want nil or %v", err, context.Canceled)
	}
}
