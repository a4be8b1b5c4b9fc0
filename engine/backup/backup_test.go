package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posthorn/adapters/memstore"
	"posthorn/engine/backup"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A world is a store that changes at random, as an engine changes its own: rows come, change and go, the log grows, and entries of it are
// rewritten and removed.
type world struct {
	*rapid.T

	store   ports.Store
	random  *rand.Rand // what fills values need not shrink
	filler  *rand.ChaCha8
	last    uint64
	entries []ports.Entry
}

func (w *world) bytes(most int) []byte {
	b := make([]byte, w.random.IntN(most+1))
	_, _ = w.filler.Read(b) // it never fails
	return b
}

// change makes commits until some were made.
func (w *world) change(label string) {
	for range rapid.IntRange(0, 6).Draw(w.T, label) {
		var c ports.Commit
		seen := map[string]bool{}
		for range w.random.IntN(50) {
			key := fmt.Sprintf("%c\x00%03d", "rvm"[w.random.IntN(3)], w.random.IntN(400))
			if seen[key] {
				continue
			}
			if seen[key] = true; w.random.IntN(4) == 0 {
				c.Deletes = append(c.Deletes, []byte(key))
			} else {
				c.Puts = append(c.Puts, ports.Pair{Key: []byte(key), Value: w.bytes(4000)})
			}
		}
		kept := w.entries[:0:0]
		for _, e := range w.entries {
			switch w.random.IntN(30) {
			case 0:
				c.Rewrites = append(c.Rewrites, ports.Entry{First: e.First, Last: e.Last})
			case 1:
				c.Rewrites = append(c.Rewrites, ports.Entry{First: e.First, Last: e.Last, Data: append([]byte{1}, w.bytes(300)...)})
				kept = append(kept, e)
			default:
				kept = append(kept, e)
			}
		}
		w.entries = kept
		for range w.random.IntN(80) {
			e := ports.Entry{First: w.last + 1, Last: w.last + 1 + w.random.Uint64N(3), Data: append([]byte{2}, w.bytes(1500)...)}
			w.last = e.Last
			w.entries, c.Entries = append(w.entries, e), append(c.Entries, e)
		}
		apply(w.T, w.store, c)
	}
}

// Whatever happens between backups, a chain of them brings back what the store held at the last one: all pairs, the log with its gaps, and the
// last seq. And so does a full one alone, in another number of commits.
func TestRestoreGivesTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		filler := rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032x", rapid.Uint64().Draw(t, "seed"))))
		w := &world{T: t, store: memstore.New(), random: rand.New(filler), filler: filler}
		var chain [][]byte
		for n := range rapid.IntRange(1, 5).Draw(t, "backups") {
			w.change(fmt.Sprintf("commits before backup %d", n+1))
			var since []byte
			if n > 0 {
				since = chain[n-1]
			}
			chain = append(chain, made(t, w.store, since))
		}
		want := content(t, w.store)
		for _, files := range [][][]byte{chain, {made(t, w.store, nil)}} {
			c, err := chainOf(files...)
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			target := memstore.New()
			report, err := c.Restore(t.Context(), target, mark)
			if err != nil {
				t.Fatalf("restore: %v", err)
			}
			if got := content(t, target); got != want {
				t.Fatalf("%d files gave back something else: %s", len(files), differ(got, want))
			}
			last := c.Last()
			if report.Pairs != last.Pairs || report.Entries != last.Entries || report.LastSeq != w.last || int(report.Entries) != len(w.entries) {
				t.Fatalf("the report is %+v, of %+v, with %d entries up to %d", report, last, len(w.entries), w.last)
			}
		}
	})
}

// filled is a store with pairs and entries of some megabytes.
func filled(t fataler, pairs, entries int) ports.Store {
	t.Helper()
	store, filler := memstore.New(), rand.NewChaCha8([32]byte{1})
	random := rand.New(filler)
	value := func(n int) []byte {
		b := make([]byte, n)
		_, _ = filler.Read(b) // it never fails
		return b
	}
	for i := range pairs {
		apply(t, store, ports.Commit{Puts: []ports.Pair{{Key: fmt.Appendf(nil, "r\x00call\x00%06d", i), Value: value(200 + random.IntN(400))}}})
	}
	for i := range entries {
		seq := uint64(i + 1)
		apply(t, store, ports.Commit{Entries: []ports.Entry{{First: seq, Last: seq, Data: value(400)}}})
	}
	return store
}

// What comes since the last backup costs what has changed, wherever in the order of keys that is: boundaries elsewhere do not move.
func TestIncrementHoldsWhatChanged(t *testing.T) {
	t.Parallel()
	store := filled(t, 20_000, 10_000)
	full := made(t, store, nil)
	whole := summary(t, full)
	if average := whole.Bytes / whole.Chunks; average < 64<<10 || average > 256<<10 {
		t.Errorf("%d chunks have %d bytes on average, want about 128 KiB", whole.Chunks, average)
	}
	if none := summary(t, made(t, store, full)); none.Held != 0 || none.Chunks != whole.Chunks {
		t.Errorf("nothing has changed, and the increment is %+v", none)
	}
	apply(t, store, ports.Commit{
		Puts:     []ports.Pair{{Key: []byte("a first"), Value: []byte("1")}, {Key: []byte("r\x00call\x00010000x"), Value: make([]byte, 300)}},
		Deletes:  [][]byte{[]byte("r\x00call\x00000500")},
		Entries:  []ports.Entry{{First: 10_001, Last: 10_003, Data: []byte("new")}},
		Rewrites: []ports.Entry{{First: 77, Last: 77}, {First: 5000, Last: 5000, Data: []byte("erased")}},
	})
	// A place each, and at most a neighbour where a boundary came or went.
	if some := summary(t, made(t, store, full)); some.Held < 4 || some.Held > 12 {
		t.Errorf("six things have changed, and the increment holds %d of %d chunks", some.Held, some.Chunks)
	}
}

func summary(t *testing.T, file []byte) backup.Summary {
	t.Helper()
	o, err := backup.Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return o.Summary()
}

// The outline is all that the next backup has to know of one, and is known by the same digest.
func TestOutline(t *testing.T) {
	t.Parallel()
	full := made(t, filled(t, 3000, 1000), nil)
	o, err := backup.Read(bytes.NewReader(full))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if n, err := o.WriteTo(&text); err != nil || n != int64(text.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, text.Len(), err)
	}
	if most := 200 + 60*int(o.Summary().Chunks); text.Len() > most {
		t.Errorf("an outline of %d chunks has %d bytes", o.Summary().Chunks, text.Len())
	}
	again, err := backup.ReadOutline(bytes.NewReader(text.Bytes()))
	if err != nil || again.Digest() != o.Digest() || again.Engine() != "eng_1" {
		t.Errorf("it was read as %+v, %v", again, err)
	}
	if _, err := backup.Read(bytes.NewReader(text.Bytes())); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("an outline passed for a backup: %v", err)
	}
	if _, err := backup.ReadOutline(bytes.NewReader(full)); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a backup passed for an outline: %v", err)
	}
	var digest backup.Digest
	if err := digest.UnmarshalText([]byte(o.Digest().String())); err != nil || digest != o.Digest() {
		t.Errorf("the digest was read as %s, %v", digest, err)
	}
	for _, bad := range []string{"", "ab", o.Digest().String() + "00", strings.Repeat("x", 64)} {
		if err := digest.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q passed for a digest", bad)
		}
	}
	if printed, err := json.Marshal(o.Summary()); err != nil || !strings.Contains(string(printed), `"digest":"`+o.Digest().String()) {
		t.Errorf("it is printed as %s, %v", printed, err)
	}
}

// A restore that ends anywhere leaves the mark, unless nothing was stored at all.
func TestRestoreOverAFailureAtEveryCommit(t *testing.T) {
	t.Parallel()
	store := filled(t, 9000, 3000)
	apply(t, store, ports.Commit{Rewrites: []ports.Entry{{First: 10, Last: 10}, {First: 11, Last: 11}, {First: 2999, Last: 2999}, {First: 3000, Last: 3000}}})
	chain, err := chainOf(made(t, store, nil))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk broke")
	var commits int
	for k := 1; ; k++ {
		target := portstest.NewFaultStore(memstore.New())
		target.FailBefore(k, broken)
		_, err := chain.Restore(t.Context(), target, mark)
		if err == nil {
			commits = k - 1
			if got, want := content(t, target), content(t, store); got != want {
				t.Errorf("the whole restore gave something else: %s", differ(got, want))
			}
			break
		}
		held := content(t, target)
		if !errors.Is(err, broken) || k > 1 && !strings.Contains(held, fmt.Sprintf("%q", mark)) || k == 1 && held != "last 0\n" {
			t.Errorf("cut off at commit %d: %v; the mark stands: %v", k, err, strings.Contains(held, fmt.Sprintf("%q", mark)))
		}
		if _, err := chain.Restore(t.Context(), target, mark); k > 1 && !errors.Is(err, ports.ErrConflict) {
			t.Errorf("a store that is not empty was taken: %v", err)
		}
	}
	if commits < 6 {
		t.Errorf("the restore took only %d commits", commits)
	}
}

// A store that is not whole is not what a backup is made of; its mark would be taken away by the restore.
func TestRestoreRefusesTheMarkOfAnother(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	apply(t, store, ports.Commit{Puts: []ports.Pair{{Key: mark, Value: []byte("1")}}})
	chain, err := chainOf(made(t, store, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chain.Restore(t.Context(), memstore.New(), mark); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("it was restored: %v", err)
	}
}

// An ended context ends a backup between two chunks, with its cause.
func TestWriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store, why := filled(t, 2000, 0), errors.New("the engine stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := store.View(t.Context(), func(r ports.Reader) error {
		_, err := backup.Write(ctx, new(bytes.Buffer), r, backup.About{}, nil)
		return err
	})
	if !errors.Is(err, why) {
		t.Errorf("it ended with %v", err)
	}
}
