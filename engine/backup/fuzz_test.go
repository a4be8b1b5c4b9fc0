package backup_test

import (
	"bytes"
	"errors"
	"testing"

	"posthorn/adapters/memstore"
	"posthorn/engine/backup"
	"posthorn/ports"
)

// FuzzRead: whatever stands in a file, reading it ends without a panic, and what is taken for a backup is read and restored as one.
func FuzzRead(f *testing.F) {
	store := memstore.New()
	f.Add(made(f, store, nil))
	apply(f, store, ports.Commit{
		Puts:    []ports.Pair{{Key: []byte("r\x00a"), Value: []byte("1")}, {Key: []byte("v\x00b"), Value: []byte("2")}},
		Entries: []ports.Entry{{First: 1, Last: 3, Data: []byte("x")}, {First: 4, Last: 4, Data: []byte("y")}},
	})
	full := made(f, store, nil)
	f.Add(full)
	f.Add(made(f, store, full))
	apply(f, store, ports.Commit{Rewrites: []ports.Entry{{First: 4, Last: 4}}})
	f.Add(made(f, store, full))
	f.Fuzz(func(t *testing.T, file []byte) {
		o, err := backup.Read(bytes.NewReader(file))
		if err != nil {
			if !errors.Is(err, ports.ErrDamaged) {
				t.Errorf("the refusal is %v", err)
			}
			return
		}
		var outline bytes.Buffer
		if _, err := o.WriteTo(&outline); err != nil {
			t.Fatal(err)
		}
		chain, err := chainOf(file)
		if err != nil {
			return
		}
		target := memstore.New()
		if _, err := chain.Restore(t.Context(), target, mark); err == nil && chain.Last().Entries > 0 && chain.Last().LastSeq == 0 {
			t.Error("entries were restored, and no event")
		}
	})
}
