package badgerstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

const (
	newTableSize    = 4 << 20
	lastLevel       = 6                  // of Badger's seven
	manifestRewrite = "MANIFEST-REWRITE" // the name that Badger gives to one that is not in force yet
	discardStats    = "DISCARD"
)

// A tableWriter writes tables of Badger's last level, in key order. None of them is in force before a manifest names it.
type tableWriter struct {
	o     Options
	next  uint64 // number of the next table
	names []string
	now   *table.Builder // that is filled; nil between two
}

// live writes what db shows, each key with its version.
func (w *tableWriter) live(ctx context.Context, db *badger.DB) (err error) {
	if w.next, err = nextTable(w.o.Dir); err != nil {
		return err
	}
	txn := db.NewTransactionAt(db.MaxVersion(), false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := w.add(ctx, it.Item()); err != nil {
			return err
		}
	}
	return w.finish()
}

func (w *tableWriter) add(ctx context.Context, item *badger.Item) error {
	if w.now != nil && w.now.ReachedCapacity() {
		if err := errors.Join(ctx.Err(), w.finish()); err != nil {
			return err
		}
	}
	if w.now == nil {
		w.now = table.NewTableBuilder(newTableOptions())
	}
	return item.Value(func(value []byte) error {
		w.now.Add(y.KeyWithTs(item.Key(), item.Version()), y.ValueStruct{UserMeta: item.UserMeta(), Value: value}, 0)
		return nil
	})
}

// finish writes and syncs the table that is filled. Badger writes through a mapping: on a full disk the process would die.
func (w *tableWriter) finish() error {
	if w.now == nil {
		return nil
	}
	full := w.now
	w.now = nil
	defer full.Close()
	if err := w.o.checkDisk(nothing); err != nil {
		return err
	}
	path := table.NewFilename(w.next, w.o.Dir)
	w.names = append(w.names, filepath.Base(path))
	w.next++
	written, err := table.CreateTable(path, full)
	if err != nil {
		return err
	}
	w.o.reached("written " + filepath.Base(path))
	return written.Close(-1)
}

func newTableOptions() table.Options {
	o := badgerOptions("")
	return table.Options{
		TableSize: newTableSize, BlockSize: o.BlockSize, BloomFalsePositive: o.BloomFalsePositive,
		ChkMode: o.ChecksumVerificationMode, Compression: o.Compression,
	}
}

// writeManifest writes, and syncs, a manifest beside the one in force, with these tables on the last level and nothing else. Its form is
// that of Badger's manifest.go: a head, and one set of changes with length and checksum.
func writeManifest(dir string, tables []string) error {
	set := &pb.ManifestChangeSet{}
	for _, name := range tables {
		id, _ := table.ParseFileID(name) // a name of ours
		set.Changes = append(set.Changes, &pb.ManifestChange{Id: id, Op: pb.ManifestChange_CREATE, Level: lastLevel})
	}
	changes, err := proto.Marshal(set)
	if err != nil {
		return err
	}
	text := []byte("Bdgr\x00\x00\x00\x08")
	text = binary.BigEndian.AppendUint32(text, uint32(len(changes)))
	text = binary.BigEndian.AppendUint32(text, crc32.Checksum(changes, y.CastagnoliCrcTable))
	f, err := os.OpenFile(filepath.Join(dir, manifestRewrite), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, changes...))
	return errors.Join(err, f.Sync(), checkManifest(f, tables), f.Close())
}

// checkManifest has Badger read a manifest before it is in force.
func checkManifest(f *os.File, tables []string) error {
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	m, _, err := badger.ReplayManifestFile(f, 0, badgerOptions(""))
	if err == nil && len(m.Tables) != len(tables) {
		err = fmt.Errorf("the new manifest names %d tables, not %d", len(m.Tables), len(tables))
	}
	return err
}
