package backup_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"iter"
	"runtime"
	"testing"

	"posthorn/engine/backup"
	"posthorn/ports"
)

// An endless store: so many pairs of a kilobyte, made as they are read.
type endless struct {
	ports.Reader
	pairs int
}

func (e endless) LastSeq() (uint64, error) { return 0, nil }

func (e endless) Entries(uint64) iter.Seq2[ports.Entry, error] {
	return func(func(ports.Entry, error) bool) {}
}

func (e endless) Scan(_, _ []byte, _ bool) iter.Seq2[ports.Pair, error] {
	return func(yield func(ports.Pair, error) bool) {
		key, value := make([]byte, 8), make([]byte, 1<<10)
		for i := range e.pairs {
			binary.BigEndian.PutUint64(key, uint64(i))
			binary.BigEndian.PutUint64(value, uint64(i))
			if !yield(ports.Pair{Key: key, Value: value}, nil) {
				return
			}
		}
	}
}

// A gauge notes the most that the heap holds while a backup is written to it.
type gauge struct {
	written int
	most    uint64
}

func (g *gauge) Write(b []byte) (int, error) {
	if before := g.written >> 24; (g.written+len(b))>>24 > before { // each 16 MiB
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		g.most = max(g.most, now.HeapAlloc)
	}
	g.written += len(b)
	return len(b), nil
}

// Whatever a store holds, a backup of it takes a few MiB of memory while it is written.
func TestMemoryOfABackupIsBounded(t *testing.T) { //nolint:paralleltest // what others hold would be counted too
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := &gauge{}
	made, err := backup.Write(t.Context(), g, endless{pairs: 200_000}, backup.About{}, nil)
	if err != nil || made.Pairs != 200_000 || made.Bytes < 190<<20 {
		t.Fatalf("it made %+v, %v", made, err)
	}
	if more := int64(g.most) - int64(before.HeapAlloc); more > 16<<20 {
		t.Errorf("a backup of 200 MiB held %d MiB at once", more>>20)
	}
}

// What a backup costs whoever writes it, and whoever reads it, beside the store's own reading.
func BenchmarkBackup(b *testing.B) {
	store := filled(b, 40_000, 40_000)
	file := made(b, store, nil)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			err := store.View(b.Context(), func(r ports.Reader) error {
				_, err := backup.Write(b.Context(), io.Discard, r, backup.About{}, nil)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if _, err := backup.Read(bytes.NewReader(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
