package portstest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"posthorn/ports"
)

// testSnapshot applies from inside a view, in the midst of a scan: neither may wait for the other, and the view goes on
// to see what was there when it began.
func testSnapshot(b *bench) {
	b.apply(ports.Commit{Entries: []ports.Entry{entry(1, 2, "old")}, Puts: puts(50)})
	before := b.dump()
	b.view(func(r ports.Reader) error {
		steps := 0
		for _, err := range r.Scan(nil, nil, false) {
			b.check(err)
			if steps++; steps%10 == 1 {
				b.apply(overwrite(steps))
			}
		}
		if steps != 50 {
			b.t.Errorf("the scan under way took %d steps, want 50", steps)
		}
		now, err := readAll(r)
		b.equal(now, before)
		return err
	})
	after := b.dump()
	if after.Last != 7 || len(after.Pairs) != 45 || string(after.Pairs[0].Value) != "new" {
		b.t.Errorf("a later view shows %d pairs up to event %d, want 45 up to 7", len(after.Pairs), after.Last)
	}
}

// overwrite deletes one key near the end, overwrites the first, and adds one event. It is called with 1, 11, 21, 31, 41.
func overwrite(step int) ports.Commit {
	seq := uint64(3 + step/10)
	return ports.Commit{
		Entries: []ports.Entry{entry(seq, seq, "new")},
		Puts:    []ports.Pair{pair("k000000", "new")},
		Deletes: [][]byte{fmt.Appendf(nil, "k%06d", 45+step/10)},
	}
}

// testViewsNest holds "any number at once": a view inside a view, each with its own snapshot.
func testViewsNest(b *bench) {
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "1")}})
	b.view(func(outer ports.Reader) error {
		b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "2")}})
		b.view(func(inner ports.Reader) error {
			in, err := inner.Get([]byte("a"))
			out, errOut := outer.Get([]byte("a"))
			if string(in) != "2" || string(out) != "1" {
				b.t.Errorf("inner view sees %q, outer %q, want 2 and 1", in, out)
			}
			return errors.Join(err, errOut)
		})
		return nil
	})
}

// testConcurrent lets views run while commits go on. Every commit writes its number everywhere, so a view that sees two
// numbers saw a part of a commit.
func testConcurrent(b *bench) {
	const commits, readers = 200, 4
	var done atomic.Uint64 // the last commit that Apply has returned from
	var views sync.WaitGroup
	for range readers {
		views.Go(func() {
			for done.Load() < commits {
				floor := done.Load()
				err := b.store.View(context.Background(), func(r ports.Reader) error { return whole(r, floor) })
				if err != nil {
					b.t.Error(err)
					return
				}
			}
		})
	}
	for n := uint64(1); n <= commits; n++ {
		b.apply(numbered(n))
		done.Store(n)
	}
	views.Wait()
	b.view(func(r ports.Reader) error { return whole(r, commits) })
}

func numbered(n uint64) ports.Commit {
	value := binary.BigEndian.AppendUint64(nil, n)
	c := ports.Commit{Entries: []ports.Entry{{First: n, Last: n, Data: value}}}
	for _, k := range keys(5) {
		c.Puts = append(c.Puts, ports.Pair{Key: k, Value: value})
	}
	return c
}

// whole checks that a snapshot is one whole commit, number floor or a later one.
func whole(r ports.Reader, floor uint64) error {
	last, err := r.LastSeq()
	if err != nil || last < floor {
		return fmt.Errorf("view begun after commit %d shows commit %d: %w", floor, last, err)
	}
	if last == 0 {
		return nil
	}
	pairs, err := scan(r, nil, nil, last%2 == 0)
	if err != nil || len(pairs) != 5 {
		return fmt.Errorf("commit %d shows %d pairs, want 5: %w", last, len(pairs), err)
	}
	for _, p := range pairs {
		if n := binary.BigEndian.Uint64(p.Value); n != last {
			return fmt.Errorf("log ends at %d, %q is of commit %d", last, p.Key, n)
		}
	}
	tail, err := entries(r, last-1)
	if err != nil || len(tail) != 1 || binary.BigEndian.Uint64(tail[0].Data) != last {
		return fmt.Errorf("entry %d reads %v: %w", last, tail, err)
	}
	return nil
}

func testClosed(b *bench) {
	ctx := context.Background()
	b.apply(ports.Commit{Puts: []ports.Pair{pair("a", "1")}})
	limits := b.store.Limits()
	b.check(b.store.Close())
	if err := b.store.Apply(ctx, ports.Commit{Puts: []ports.Pair{pair("a", "2")}}); !errors.Is(err, ports.ErrClosed) {
		b.t.Errorf("Apply returned %v, want %v", err, ports.ErrClosed)
	}
	called := false
	err := b.store.View(ctx, func(ports.Reader) error { called = true; return nil })
	if !errors.Is(err, ports.ErrClosed) || called {
		b.t.Errorf("View returned %v and called read: %v, want %v and no call", err, called, ports.ErrClosed)
	}
	if got := b.store.Limits(); got != limits {
		b.t.Errorf("Limits changed to %v", got)
	}
	b.check(b.store.Close())
}

// testCloseWaits closes while a view reads. A Close that does not wait is found out by the flag, by a failed read, or
// by the race detector.
func testCloseWaits(b *bench) {
	b.apply(ports.Commit{Puts: puts(10)})
	var viewed atomic.Bool
	var closing sync.WaitGroup
	b.view(func(r ports.Reader) error {
		closing.Go(func() {
			if err := b.store.Close(); err != nil || !viewed.Load() {
				b.t.Errorf("Close returned %v, the view had ended: %v", err, viewed.Load())
			}
		})
		for range 1000 {
			if _, err := scan(r, nil, nil, false); err != nil {
				return err
			}
			runtime.Gosched()
		}
		viewed.Store(true)
		return nil
	})
	closing.Wait()
}

func testCloseMany(b *bench) {
	var closing sync.WaitGroup
	for range 4 {
		closing.Go(func() {
			if err := b.store.Close(); err != nil {
				b.t.Error(err)
			}
			if err := b.store.Apply(context.Background(), ports.Commit{}); !errors.Is(err, ports.ErrClosed) {
				b.t.Errorf("Apply returned %v, want %v", err, ports.ErrClosed)
			}
		})
	}
	closing.Wait()
}

func testReopen(b *bench) {
	b.apply(ports.Commit{
		Entries: []ports.Entry{entry(1, 1, "one"), entry(2, 5, "two to five")},
		Puts:    append(puts(300), pair("", "empty"), pair("\xff\xff", "high")),
	})
	b.apply(ports.Commit{Deletes: keys(100), Puts: fill(100_000, 30_000)})
	want := b.dump()
	for range 2 {
		b.reopen()
		b.same(want)
	}
}

func testReopenContinues(b *bench) {
	for n := uint64(1); n <= 20; n++ {
		b.apply(numbered(n))
		if n%5 == 0 {
			b.reopen()
			b.refuse(numbered(n), ports.ErrOutOfOrder)
			b.refuse(numbered(n+2), ports.ErrOutOfOrder)
		}
	}
	b.view(func(r ports.Reader) error { return whole(r, 20) })
}
