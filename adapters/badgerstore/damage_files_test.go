package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/ports"
)

// harms are what befalls a file.
var harms = map[string]func([]byte) []byte{
	"emptied":            func(data []byte) []byte { return data[:0:0] },
	"cut to 7 bytes":     func(data []byte) []byte { return data[:7:7] },
	"cut to half":        func(data []byte) []byte { return data[: len(data)/2 : len(data)/2] },
	"first byte flipped": func(data []byte) []byte { return flipped(data, 0) },
	"last byte flipped":  func(data []byte) []byte { return flipped(data, len(data)-1) },
	"removed":            func([]byte) []byte { return nil },
}

// survived are the harms after which a store opens as if nothing had happened, by the file, with the reason. All others are refused.
var survived = map[string]string{
	// The value log is always empty, and Badger makes another one.
	".vlog": "emptied, cut to 7 bytes, cut to half, last byte flipped, removed",
	// Behind the last commit a log is nothing but zeros: the half that is cut off, and the last byte.
	".mem": "cut to half, last byte flipped",
	// It counts what could be collected in the value log: nothing.
	"DISCARD": "emptied, cut to 7 bytes, cut to half, first byte flipped, last byte flipped, removed",
	// It is made anew. Its first bytes are the initial vector of an encryption that is off.
	"KEYREGISTRY": "first byte flipped, removed",
	// What it says is checked; without it the log is taken for what it is, as in a directory that a loss of power has left.
	committedName: "emptied, cut to 7 bytes, cut to half, first byte flipped, last byte flipped, removed",
}

// TestEveryFileDamaged harms each file of a directory in each way, after a crash and after Close: the store opens with all that was
// committed, or it is refused, with the reason and what to do, and left as it is.
func TestEveryFileDamaged(t *testing.T) {
	t.Parallel()
	const n = 40
	for state, files := range map[string]map[string][]byte{"crash": crashed(t, n), "close": closed(t, n)} {
		for name := range files {
			for harm, apply := range harms {
				t.Run(fmt.Sprintf("%s/%s/%s", state, name, harm), func(t *testing.T) {
					t.Parallel()
					damage := with(files, name, apply(files[name]))
					refused := harmless(t, name+" "+harm, damage, n)
					kind := name
					if ext := filepath.Ext(name); ext != "" {
						kind = ext
					}
					if want := !strings.Contains(survived[kind], harm); refused != want {
						t.Errorf("refused is %v, want %v", refused, want)
					}
					if refused {
						wantRefusal(t, damage)
					}
				})
			}
		}
	}
}

// wantRefusal fails the test unless the error says which directory, and what to do.
func wantRefusal(t *testing.T, files map[string][]byte) {
	t.Helper()
	dir := writeDir(t, files)
	_, err := Open(t.Context(), testOptions(dir))
	if err == nil {
		t.Fatal("Open refused once, and then no more")
	}
	if text := err.Error(); !strings.HasPrefix(text, "data directory "+dir+" is refused: ") || !strings.Contains(text, "; restore it from a backup") {
		t.Errorf("the error is %q", text)
	}
}

// TestFlipsInALog flips a bit in the log of a memtable, anywhere before its end. Badger would take the place for the end that a crash
// has left, and cut off every commit behind it.
func TestFlipsInALog(t *testing.T) {
	t.Parallel()
	const n = 40
	files := crashed(t, n)
	log := only(t, files, ".mem")
	end := len(bytes.TrimRight(files[log], "\x00"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		at := logHead + random.IntN(end-logHead)
		damage := with(files, log, flipped(files[log], at))
		if !harmless(t, fmt.Sprintf("bit flip at %d of %d", at, end), damage, n) {
			t.Errorf("a bit flip at %d of %d was not refused", at, end)
		}
	}
	for _, end := range []int{logHead, end / 2, end - 1} { // what the kernel had not written, or a tool has cut
		if cut := files[log][:end:end]; !harmless(t, fmt.Sprintf("cut at %d", end), with(files, log, cut), n) {
			t.Errorf("a log cut at %d was not refused", end)
		}
	}
}

// TestWhoAcceptsTheLossGoesOn: without the file that remembers them, a store whose newest commits are lost opens with those before.
func TestWhoAcceptsTheLossGoesOn(t *testing.T) {
	t.Parallel()
	const n = 40
	files := crashed(t, n)
	log := only(t, files, ".mem")
	end := len(bytes.TrimRight(files[log], "\x00"))
	files = with(files, log, flipped(files[log], logHead+(end-logHead)/2))
	dir := writeDir(t, files)
	if _, err := Open(t.Context(), testOptions(dir)); !errors.Is(err, ports.ErrDamaged) || !strings.Contains(err.Error(), "without its file COMMITTED") {
		t.Fatalf("Open returned %v", err)
	}
	s := open(t, writeDir(t, with(files, committedName, nil)))
	last, err := whole(s)
	if err != nil || last <= n/2 || last >= n {
		t.Errorf("the store holds the commits to %d, want some between %d and %d: %v", last, n/2, n, err)
	}
	fill(t, s, last+1, last+1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCommittedNeverSaysMoreThanTheLog holds what the refusal stands on: the number is written after the commit, and only for commits
// that leave a trace for ever.
func TestCommittedNeverSaysMoreThanTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	said := func(want uint64) {
		t.Helper()
		if got, err := readCommitted(dir); err != nil || got != want {
			t.Errorf("the file says %d, %v; want %d", got, err, want)
		}
	}
	said(0)
	fill(t, s, 1, 3)
	said(3)
	if err := s.Apply(t.Context(), ports.Commit{Deletes: [][]byte{[]byte("a")}}); err != nil {
		t.Fatal(err)
	}
	said(3)
	if err := s.Apply(t.Context(), numbered(9)); !errors.Is(err, ports.ErrOutOfOrder) {
		t.Fatal(err)
	}
	said(3)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), numbered(4)); err == nil {
		t.Error("Badger was closed, and Apply succeeded")
	}
	said(3)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
