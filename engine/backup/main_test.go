package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/engine/backup"
	"posthorn/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	mark = []byte("m\x00restore")
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// made makes a backup of a store; a nil since makes a full one.
func made(t fataler, store ports.Store, since []byte) []byte {
	t.Helper()
	file, err := write(store, since)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return file
}

func write(store ports.Store, since []byte) ([]byte, error) {
	var before *backup.Outline
	if since != nil {
		o, err := backup.Read(bytes.NewReader(since))
		if err != nil {
			return nil, err
		}
		before = o
	}
	var out bytes.Buffer
	err := store.View(context.Background(), func(r ports.Reader) error {
		s, err := backup.Write(context.Background(), &out, r, backup.About{Engine: "eng_1", At: noon}, before)
		if err == nil && s.Bytes != uint64(out.Len()) {
			return fmt.Errorf("the summary says %d bytes, and there are %d", s.Bytes, out.Len())
		}
		return err
	})
	return out.Bytes(), err
}

func chainOf(files ...[]byte) (*backup.Chain, error) {
	named := make([]backup.File, len(files))
	for i, f := range files {
		named[i] = backup.File{Name: fmt.Sprintf("file %d", i+1), Size: int64(len(f)), From: bytes.NewReader(f)}
	}
	return backup.Open(named...)
}

// content is all that a store holds, as text, with digests in place of values.
func content(t fataler, store ports.Store) string {
	t.Helper()
	var text bytes.Buffer
	err := store.View(context.Background(), func(r ports.Reader) error {
		last, err := r.LastSeq()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "last %d\n", last)
		for p, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%q=%x\n", p.Key, sha256.Sum256(p.Value))
		}
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%d-%d=%x\n", e.First, e.Last, sha256.Sum256(e.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the store: %v", err)
	}
	return text.String()
}

// differ shows where two contents begin to differ.
func differ(got, want string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			from := max(0, i-60)
			return fmt.Sprintf("got ...%.200s, want ...%.200s", got[from:], want[from:])
		}
	}
	return fmt.Sprintf("%d and %d bytes of text", len(got), len(want))
}

func apply(t fataler, store ports.Store, c ports.Commit) {
	t.Helper()
	if err := store.Apply(context.Background(), c); err != nil {
		t.Fatalf("apply: %v", err)
	}
}
