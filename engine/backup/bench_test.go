package backup_test

import (
	"bytes"
	"io"
	"testing"

	"posthorn/engine/backup"
	"posthorn/ports"
)

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
