package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"posthorn/ports"
)

// numbered is commit n: everything in it says n, so that a part of a commit shows.
func numbered(n uint64) ports.Commit {
	value := fmt.Appendf(nil, "%d", n)
	return ports.Commit{
		Entries: []ports.Entry{{First: n, Last: n, Data: value}},
		Puts: []ports.Pair{
			{Key: []byte("a"), Value: value},
			{Key: []byte("z"), Value: value},
			{Key: fmt.Appendf(nil, "row/%d", n), Value: bytes.Repeat(value, 50)},
		},
	}
}

func fill(t *testing.T, s *Store, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := s.Apply(t.Context(), numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// whole checks that s holds the commits 1 to some n whole, and returns n.
func whole(s *Store) (n uint64, err error) {
	err = s.View(context.Background(), func(r ports.Reader) error {
		if n, err = r.LastSeq(); err != nil {
			return err
		}
		var pairs, entries uint64
		for p, err := range r.Scan(nil, nil, false) {
			if pairs++; err != nil || len(p.Key) == 1 && string(p.Value) != fmt.Sprint(n) {
				return fmt.Errorf("commit %d is the last, %q says %q: %w", n, p.Key, p.Value, err)
			}
		}
		for e, err := range r.Entries(0) {
			if entries++; err != nil || string(e.Data) != fmt.Sprint(entries) {
				return fmt.Errorf("entry %d says %q: %w", entries, e.Data, err)
			}
		}
		if entries != n || n > 0 && pairs != n+2 {
			return fmt.Errorf("commit %d is the last, there are %d entries and %d pairs", n, entries, pairs)
		}
		return nil
	})
	return n, err
}

// crashed returns the files of a store with the commits 1 to n, as they are on the disk while it is open: tables, a
// manifest, and the log of a memtable. A copy of them is what SIGKILL leaves.
func crashed(t *testing.T, n uint64) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, 1, n/2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	fill(t, s, n/2+1, n)
	files := readDir(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log := only(t, files, ".mem")
	end := len(bytes.TrimRight(files[log], "\x00"))
	files[log] = files[log][: end*3 : end*3] // of its 32 MiB: enough zeros, and quicker to compare
	return files
}

// closed returns the files of a store with the commits 1 to n that was closed twice, and so has two tables.
func closed(t *testing.T, n uint64) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	for _, last := range []uint64{n / 2, n} {
		s := open(t, dir)
		fill(t, s, last-n/2+1, last)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return readDir(t, dir)
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if files[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	delete(files, lockName)
	return files
}

func writeDir(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, bytes.TrimRight(data, "\x00"), 0o600)
		if err := errors.Join(err, os.Truncate(path, int64(len(data)))); err != nil { // sparse, as Badger's logs are
			t.Fatal(err)
		}
	}
	return dir
}

func only(t *testing.T, files map[string][]byte, ext string) string {
	t.Helper()
	for name := range files {
		if filepath.Ext(name) == ext {
			return name
		}
	}
	t.Fatalf("no file *%s", ext)
	return ""
}

// with returns the files with another content for one; nil means that it is gone.
func with(files map[string][]byte, name string, data []byte) map[string][]byte {
	changed := maps.Clone(files)
	if changed[name] = data; data == nil {
		delete(changed, name)
	}
	return changed
}

func flipped(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[at] ^= 1 << (at % 8)
	return data
}

// harmless opens what files say. It fails the test unless Open refuses them as damaged and leaves them as they are, or
// the store holds the commits 1 to n as if nothing had happened. It returns whether Open refused.
func harmless(t *testing.T, what string, files map[string][]byte, n uint64) bool {
	t.Helper()
	dir := writeDir(t, files)
	s, err := Open(t.Context(), testOptions(dir))
	if err != nil {
		if !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("%s: Open returned %v, want %v", what, err, ports.ErrDamaged)
		}
		if !maps.EqualFunc(files, readDir(t, dir), bytes.Equal) {
			t.Errorf("%s: Open changed the directory that it refused", what)
		}
		return true
	}
	if got, err := whole(s); err != nil || got != n {
		t.Errorf("%s: the store holds the commits to %d, want %d: %v", what, got, n, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: Close returned %v", what, err)
	}
	return false
}

func TestOpenAfterCrash(t *testing.T) {
	t.Parallel()
	if harmless(t, "a crash between two commits", crashed(t, 30), 30) {
		t.Error("Open refused what a crash has left")
	}
}

// TestOpenCutsAnUnfinishedCommit takes away the end of the log, as a power loss during its last sync does: the file keeps
// its length, and what was not written reads as zero.
func TestOpenCutsAnUnfinishedCommit(t *testing.T) {
	t.Parallel()
	files := crashed(t, 40)
	files[committedName] = []byte(committedLine(20)) // it may lag: only Close syncs it
	log := only(t, files, ".mem")
	end := len(bytes.TrimRight(files[log], "\x00"))
	seen := map[uint64]bool{}
	for cut := end; cut > 0; cut -= 1 + end/8 {
		torn := slices.Clone(files[log])
		clear(torn[cut:])
		s := open(t, writeDir(t, with(files, log, torn)))
		n, err := whole(s)
		if err != nil || n < 20 || n > 40 {
			t.Errorf("cut at %d of %d: commits to %d, %v", cut, end, n, err)
		}
		seen[n] = true
		fill(t, s, n+1, n+1) // it goes on from there
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 5 {
		t.Errorf("the cuts left only %d different ends", len(seen))
	}
}

func TestOpenRefusesDamagedTables(t *testing.T) {
	t.Parallel()
	const n = 60
	files := closed(t, n)
	sst := only(t, files, ".sst")
	size := len(files[sst])
	refused := 0
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range flips {
		at := rng.IntN(size)
		if i < 16 {
			at = size - 1 - i // the footer, which says where everything is
		}
		if harmless(t, fmt.Sprintf("bit flip at %d of %d", at, size), with(files, sst, flipped(files[sst], at)), n) {
			refused++
		}
	}
	if refused < flips*9/10 {
		t.Errorf("only %d of %d flips were refused", refused, flips)
	}
	for _, keep := range []int{0, 1, 3, 4, size / 2, size - 1} {
		if !harmless(t, fmt.Sprintf("cut at %d of %d", keep, size), with(files, sst, files[sst][:keep:keep]), n) {
			t.Errorf("a table cut at %d of %d was not refused", keep, size)
		}
	}
}

// flips is how many places of a table a test flips a bit at.
const flips = 50

func TestOpenRefusesDamagedManifest(t *testing.T) {
	t.Parallel()
	const n = 30
	files := closed(t, n)
	manifest := files["MANIFEST"]
	for at := range manifest {
		harmless(t, fmt.Sprintf("bit flip at %d of %d", at, len(manifest)), with(files, "MANIFEST", flipped(manifest, at)), n)
		if !harmless(t, fmt.Sprintf("cut at %d of %d", at, len(manifest)), with(files, "MANIFEST", manifest[:at:at]), n) {
			t.Errorf("a manifest cut at %d of %d was not refused", at, len(manifest))
		}
	}
}

func TestOpenRefusesMissingFiles(t *testing.T) {
	t.Parallel()
	const n = 30
	files := closed(t, n)
	for name := range files {
		refused := harmless(t, name+" is gone", with(files, name, nil), n)
		if want := name == "FORMAT" || name == "MANIFEST" || filepath.Ext(name) == ".sst"; refused != want {
			t.Errorf("%s is gone: refused is %v, want %v", name, refused, want)
		}
	}
}

// TestOpenRefusesHole takes an entry out of the log, as the loss of a memtable's log between two tables does.
func TestOpenRefusesHole(t *testing.T) {
	t.Parallel()
	for _, lost := range []uint64{1, 4} {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, 1, 8)
		txn := s.db.NewTransactionAt(8, true)
		if err := errors.Join(txn.Delete(entryKey(ports.Entry{First: lost, Last: lost})), txn.CommitAt(9, nil)); err != nil {
			t.Fatal(err)
		}
		s.now.commit = 9
		if _, err := whole(s); !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("Entries over the hole at %d returned %v, want %v", lost, err, ports.ErrDamaged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), testOptions(dir)); !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("Open with a hole at %d returned %v, want %v", lost, err, ports.ErrDamaged)
		}
	}
}
