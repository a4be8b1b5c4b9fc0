package backup_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"posthorn/adapters/memstore"
	"posthorn/engine/backup"
	"posthorn/ports"
)

const heading = len("posthorn backup 1\n")

// parts cuts a file into its frames.
func parts(file []byte) (all [][]byte) {
	all = append(all, file[:heading])
	for rest := file[heading:]; len(rest) > 0; {
		n := 5 + int(binary.BigEndian.Uint32(rest[1:5]))
		all, rest = append(all, rest[:n]), rest[n:]
	}
	return all
}

// Every bit of a backup counts: one that is turned, anywhere, is found.
func TestEveryByteIsChecked(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	apply(t, store, ports.Commit{
		Puts:    []ports.Pair{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: nil}},
		Entries: []ports.Entry{{First: 1, Last: 3, Data: []byte("x")}},
	})
	full := made(t, store, nil)
	apply(t, store, ports.Commit{Puts: []ports.Pair{{Key: []byte("c"), Value: []byte("2")}}})
	for name, file := range map[string][]byte{"full": full, "increment": made(t, store, full)} {
		for at := range file {
			for bit := range 8 {
				bad := slices.Clone(file)
				bad[at] ^= 1 << bit
				wantRefused(t, fmt.Sprintf("%s, bit %d of byte %d turned", name, bit, at), bad)
			}
			wantRefused(t, fmt.Sprintf("%s, cut to %d bytes", name, at), file[:at])
		}
		wantRefused(t, name+", with a byte behind it", append(slices.Clone(file), 0))
		wantRefused(t, name+", twice", slices.Concat(file, file))
	}
}

func wantRefused(t *testing.T, what string, file []byte) {
	t.Helper()
	_, err := backup.Read(bytes.NewReader(file))
	if !errors.Is(err, ports.ErrDamaged) || len(strings.Split(err.Error(), "; ")) < 2 {
		t.Errorf("%s: %v", what, err)
	}
	if _, err := chainOf(file); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("%s, as a chain: %v", what, err)
	}
}

// Frames that are each whole, in another order, left out, twice or from another file, are no backup.
func TestMixedUpFramesAreRefused(t *testing.T) {
	t.Parallel()
	file := parts(made(t, filled(t, 3000, 1000), nil))
	other := parts(made(t, filled(t, 3001, 1001), nil))
	if len(file) < 8 {
		t.Fatalf("only %d frames", len(file))
	}
	last := len(file) - 1
	for name, frames := range map[string][][]byte{
		"two chunks changed places":  slices.Concat(file[:2], file[3:4], file[2:3], file[4:]),
		"a chunk is missing":         slices.Concat(file[:3], file[4:]),
		"a chunk stands twice":       slices.Concat(file[:3], file[2:]),
		"a chunk of another":         slices.Concat(file[:last-2], other[last-2:last-1], file[last-1:]),
		"the header of another":      slices.Concat(file[:1], other[1:2], file[2:]),
		"the header is missing":      slices.Concat(file[:1], file[2:]),
		"the header stands twice":    slices.Concat(file[:2], file[1:]),
		"the index of another":       slices.Concat(file[:last-1], other[last-1:]),
		"the index is missing":       slices.Concat(file[:last-1], file[last:]),
		"the index stands twice":     slices.Concat(file[:last], file[last-1:]),
		"a chunk behind the index":   slices.Concat(file[:last-2], file[last-1:last], file[last-2:last-1], file[last:]),
		"the end is missing":         file[:last],
		"the end of another":         slices.Concat(file[:last], other[len(other)-1:]),
		"the end stands twice":       slices.Concat(file, file[last:]),
		"a frame of another letter":  slices.Concat(file[:2], [][]byte{{'X', 0, 0, 0, 0}}, file[2:]),
		"a frame too long to be one": slices.Concat(file[:2], [][]byte{{'C', 0xff, 0xff, 0xff, 0xff}}, file[2:]),
		"another format":             slices.Concat([][]byte{[]byte("posthorn backup 2\n")}, file[1:]),
		"another thing":              {[]byte("PK\x03\x04, and no backup at all, but something long enough")},
		"nothing":                    {},
	} {
		wantRefused(t, name, slices.Concat(frames...))
	}
}

// Backups that do not build on each other in this order are refused, and it is said which.
func TestWrongChainsAreRefused(t *testing.T) {
	t.Parallel()
	store, n := filled(t, 500, 100), byte(0)
	next := func(since []byte) []byte {
		n++
		apply(t, store, ports.Commit{Puts: []ports.Pair{{Key: []byte("changed"), Value: []byte{n}}}})
		return made(t, store, since)
	}
	full := next(nil)
	second := next(full)
	third := next(second)
	otherFull := next(nil)
	for name, row := range map[string]struct {
		files [][]byte
		says  string
	}{
		"none":                {nil, "no backup was given"},
		"an increment alone":  {[][]byte{second}, "file 1 is refused: it holds only what came since another backup"},
		"one is missing":      {[][]byte{full, third}, "file 2 is refused: it builds on the backup"},
		"the order is wrong":  {[][]byte{full, third, second}, "file 2 is refused"},
		"one stands twice":    {[][]byte{full, second, second}, "file 3 is refused"},
		"two full ones":       {[][]byte{full, otherFull}, "file 2 is refused: it is a full backup"},
		"of another full one": {[][]byte{otherFull, second}, "file 2 is refused: it builds on the backup"},
	} {
		_, err := chainOf(row.files...)
		if !errors.Is(err, ports.ErrConflict) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := chainOf(full, second, third); err != nil {
		t.Error(err)
	}
}
