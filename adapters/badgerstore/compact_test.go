package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"posthorn/ports"
)

// What must be gone, in keys and in values, and what must not.
const (
	goneMark = "GONE-marker"
	keptMark = "KEPT-marker"
)

// A held is all that a store shows.
type held struct {
	Pairs, Entries []string
	Last           uint64
}

func content(t *testing.T, s *Store) (h held) {
	t.Helper()
	err := s.View(t.Context(), func(r ports.Reader) (err error) {
		for p, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			h.Pairs = append(h.Pairs, fmt.Sprintf("%q=%q", p.Key, p.Value))
		}
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			h.Entries = append(h.Entries, fmt.Sprintf("%d-%d=%q", e.First, e.Last, e.Data))
		}
		h.Last, err = r.LastSeq()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// marked is commit n of a story in which every fourth thing stays: rows and entries come, with a name and a value that have to be gone later.
func marked(n uint64) ports.Commit {
	mark := goneMark
	if n%4 == 0 {
		mark = keptMark
	}
	value := bytes.Repeat(fmt.Appendf(nil, "%s %d ", mark, n), 20)
	return ports.Commit{
		Entries: []ports.Entry{{First: n, Last: n, Data: value}},
		Puts: []ports.Pair{
			{Key: fmt.Appendf(nil, "row/%s/%d", mark, n), Value: value},
			{Key: fmt.Appendf(nil, "same/%d", n%8), Value: value},
			{Key: fmt.Appendf(nil, "again/%d", n), Value: value},
		},
	}
}

// unmarked takes back what commit n of that story said: it deletes, overwrites, rewrites and removes.
func unmarked(n uint64) ports.Commit {
	c := ports.Commit{Puts: []ports.Pair{{Key: fmt.Appendf(nil, "again/%d", n), Value: []byte(keptMark)}}}
	if n%4 == 0 {
		return c
	}
	c.Deletes = [][]byte{fmt.Appendf(nil, "row/%s/%d", goneMark, n), fmt.Appendf(nil, "same/%d", n%8)}
	if n%4 == 1 {
		c.Rewrites = []ports.Entry{{First: n, Last: n, Data: []byte("rewritten")}}
	} else {
		c.Rewrites = []ports.Entry{{First: n, Last: n}}
	}
	return c
}

const storyLength = 64

// story leaves its bytes wherever a store can hold some: in tables of the last level that no later one overlaps, written while a view still
// saw them; in tables of level 0; and in the log of a memtable, as a SIGKILL leaves it. It returns the directory, and what it shows.
func story(t *testing.T) (string, held) {
	t.Helper()
	dir := t.TempDir()
	apply := func(s *Store, c ports.Commit) {
		t.Helper()
		if err := s.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	phase := func(from, to uint64, of func(uint64) ports.Commit) {
		s := open(t, dir)
		for n := from; n <= to; n++ {
			apply(s, of(n))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	phase(1, 16, marked)
	s := open(t, dir)
	err := s.View(t.Context(), func(ports.Reader) error { // it holds back what may be discarded
		for n := range uint64(16) {
			apply(s, unmarked(n+1))
		}
		return s.db.Flatten(1)
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	phase(17, 40, marked)
	phase(17, 32, unmarked)
	s = open(t, dir)
	if err := s.db.Flatten(1); err != nil {
		t.Fatal(err)
	}
	for n := uint64(41); n <= storyLength; n++ {
		apply(s, marked(n))
	}
	for n := uint64(33); n <= storyLength; n++ {
		apply(s, unmarked(n))
	}
	shown := content(t, s)
	killed := writeDir(t, readDir(t, dir))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return killed, shown
}

// holders lists the files of dir in which mark stands.
func holders(t *testing.T, dir, mark string) (names []string) {
	t.Helper()
	for name, data := range readDir(t, dir) {
		if bytes.Contains(data, []byte(mark)) {
			names = append(names, name)
		}
	}
	return names
}

func compactNow(t *testing.T, dir string) Sizes {
	t.Helper()
	sizes, err := Compact(t.Context(), testOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// wantContent fails the test unless the store in dir shows what it showed before, and can be written to.
func wantContent(t *testing.T, what, dir string, want held) {
	t.Helper()
	s := open(t, dir)
	if got := content(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: the store holds %d pairs, %d entries to %d; want %d, %d to %d", what,
			len(got.Pairs), len(got.Entries), got.Last, len(want.Pairs), len(want.Entries), want.Last)
	}
	if err := errors.Join(s.Apply(t.Context(), marked(want.Last+1)), s.Close()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// TestCompactLeavesNothingOfWhatIsGone searches every byte of the directory.
func TestCompactLeavesNothingOfWhatIsGone(t *testing.T) {
	t.Parallel()
	dir, want := story(t)
	kinds := strings.Join(holders(t, dir, goneMark), " ")
	if strings.Count(kinds, ".sst") < 3 || !strings.Contains(kinds, ".mem") {
		t.Fatalf("before, it stands in %q: not everywhere that it could", kinds)
	}
	compactNow(t, dir)
	if names := holders(t, dir, goneMark); len(names) > 0 {
		t.Errorf("what is gone still stands in %v", names)
	}
	if len(holders(t, dir, keptMark)) == 0 {
		t.Error("what is kept stands nowhere")
	}
	left, err := listFiles(dir, "*.mem", "*.vlog", manifestRewrite)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	before := readDir(t, dir)
	compactNow(t, dir) // of a compacted store it only gives the tables other numbers
	if after := readDir(t, dir); len(after) != len(before) {
		t.Errorf("compacted again there are %d files, before there were %d", len(after), len(before))
	}
	wantContent(t, "compacted", dir, want)
}

// TestKillInACompaction takes what a SIGKILL would leave after each step: it opens with everything, and another compaction ends the work.
func TestKillInACompaction(t *testing.T) {
	t.Parallel()
	dir, want := story(t)
	steps := map[string]string{}
	o := testOptions(dir)
	o.onStep = func(step string) { steps[step] = writeDir(t, readDir(t, dir)) }
	if _, err := Compact(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 8 {
		t.Errorf("only the steps %v", steps)
	}
	for step, left := range steps {
		opened := writeDir(t, readDir(t, left))
		wantContent(t, step, opened, want)
		compactNow(t, opened)
		compactNow(t, left)
		// In the one that was opened stands what wantContent has stored, and nothing older.
		if names := append(holders(t, opened, goneMark+" 1 "), holders(t, left, goneMark)...); len(names) > 0 {
			t.Errorf("killed at %q and compacted again, what is gone stands in %v", step, names)
		}
		wantContent(t, step+", compacted", left, want)
	}
}

// TestCompactOfManyTables gives back most of a store that fills several tables, in the order of their keys.
func TestCompactOfManyTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for n := range uint64(40) {
		c := ports.Commit{Entries: []ports.Entry{{First: n + 1, Last: n + 1, Data: []byte("entry")}}}
		for i := range 20 {
			c.Puts = append(c.Puts, ports.Pair{Key: fmt.Appendf(nil, "%03d/%d", i, n), Value: bytes.Repeat([]byte{byte(n)}, 40_000)})
		}
		if n >= 20 {
			for i := range 20 {
				c.Deletes = append(c.Deletes, fmt.Appendf(nil, "%03d/%d", i, n-20))
			}
		}
		if err := s.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	want := content(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sizes := compactNow(t, dir)
	if live := int64(20 * 20 * 40_000); sizes.After > live*11/10 || sizes.Before < live*3/2 {
		t.Errorf("of %d bytes that live, %d lay on the disk before and %d lie there after", live, sizes.Before, sizes.After)
	}
	wantContent(t, "compacted", dir, want)
}

func TestCompactRefuses(t *testing.T) {
	t.Parallel()
	dir := writeDir(t, closed(t, 20))
	s := open(t, dir)
	if _, err := Compact(t.Context(), testOptions(dir)); !errors.Is(err, ports.ErrLocked) {
		t.Errorf("of an open store Compact returned %v, want %v", err, ports.ErrLocked)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compact(ctx, testOptions(dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context Compact returned %v", err)
	}
	full := testOptions(dir)
	asked := 0
	full.freeSpace = func(string) (uint64, error) { asked++; return uint64(2 - asked), nil } // until the first table
	if _, err := Compact(t.Context(), full); !errors.Is(err, ports.ErrDiskLow) {
		t.Errorf("on a full disk Compact returned %v, want %v", err, ports.ErrDiskLow)
	}
	sst := only(t, readDir(t, dir), ".sst")
	if err := os.WriteFile(filepath.Join(dir, sst), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Compact(t.Context(), testOptions(dir)); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("of a damaged store Compact returned %v, want %v", err, ports.ErrDamaged)
	}
}
