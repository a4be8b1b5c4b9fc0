package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// Sizes are the bytes of a directory's files as the disk holds them, blocks that were never written left out.
type Sizes struct{ Before, After int64 }

// Compact writes what is alive in the stopped store in o.Dir into new tables, and removes everything else: when it returns nil, no file
// there holds a byte of what was deleted, overwritten or removed from the log. What the store holds stays as it is, to the numbers of its
// commits.
//
// It needs as much free space as is alive, and o.DiskFloor beside. A process that dies in its midst, or a ctx that ends, loses nothing: the
// new tables count from the one moment on at which the manifest is renamed; a store that is opened earlier goes on with the old ones and
// removes the others, as Badger does with what its own compactions leave; Compact begins anew.
//
// It returns the errors of Open.
func Compact(ctx context.Context, o Options) (sizes Sizes, err error) {
	o = o.withDefaults()
	o.compacts = false // Badger is closed again before it compacts, and who compacts mostly has little room
	lock, err := o.acquire(ctx)
	if err != nil {
		return sizes, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if sizes.Before, err = diskUse(o.Dir); err != nil {
		return sizes, err
	}
	if err := o.flush(ctx); err != nil {
		return sizes, err
	}
	tables, err := o.rewriteLive(ctx)
	if err != nil {
		return sizes, errors.Join(err, removeFiles(o.Dir, tables)) // they are all unnamed
	}
	if err := o.switchTo(tables); err != nil {
		return sizes, fmt.Errorf("data directory %s cannot be written to: %w; mend that and compact again, nothing is lost", o.Dir, err)
	}
	sizes.After, err = diskUse(o.Dir)
	return sizes, err
}

// flush checks the directory as every Open does, and brings what is in logs into tables.
func (o Options) flush(ctx context.Context) error {
	s, err := openLocked(ctx, o)
	if err != nil {
		return err
	}
	if err := s.closeFiles(); err != nil {
		return fmt.Errorf("close store in %s: %w", o.Dir, err)
	}
	o.reached("flushed")
	return nil
}

// rewriteLive writes the newest version of every key that has one into new tables, beside the old ones, and returns their names, also
// after an error.
func (o Options) rewriteLive(ctx context.Context) ([]string, error) {
	db, err := openBadger(o, true)
	if err != nil {
		return nil, err
	}
	w := &tableWriter{o: o}
	if err := errors.Join(w.live(ctx, db), db.Close()); err != nil {
		return w.names, fmt.Errorf("compact %s: %w", o.Dir, err)
	}
	return w.names, nil
}

// switchTo makes the tables those of the store, and removes all other files of Badger's.
func (o Options) switchTo(tables []string) error {
	for _, name := range tables { // what is about to be removed exists nowhere else
		if _, err := verifyTable(filepath.Join(o.Dir, name)); err != nil {
			return fmt.Errorf("the new table %s: %w", name, err)
		}
	}
	if err := errors.Join(syncDir(o.Dir), writeManifest(o.Dir, tables)); err != nil {
		return err
	}
	o.reached("manifest written")
	if err := os.Rename(filepath.Join(o.Dir, manifestRewrite), filepath.Join(o.Dir, badger.ManifestFilename)); err != nil {
		return err
	}
	if err := syncDir(o.Dir); err != nil {
		return err
	}
	o.reached("switched")
	return o.removeOld(tables)
}

// removeOld removes the tables that are replaced, and the logs: all that was in them is in the new tables. Of a value log, which is empty,
// and of the statistics about it Badger makes new ones.
func (o Options) removeOld(tables []string) error {
	old, err := listFiles(o.Dir, "*.sst", "*.mem", "*.vlog", discardStats)
	if err != nil {
		return err
	}
	for _, path := range old {
		if slices.Contains(tables, filepath.Base(path)) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		o.reached("removed " + filepath.Base(path))
	}
	return syncDir(o.Dir)
}

// reached tells tests how far a compaction is.
func (o Options) reached(step string) {
	if o.onStep != nil {
		o.onStep(step)
	}
}

func removeFiles(dir string, names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, os.Remove(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// nextTable is a number above those of all tables in dir.
func nextTable(dir string) (uint64, error) {
	tables, err := listFiles(dir, "*.sst")
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	for _, path := range tables {
		if id, ok := table.ParseFileID(path); ok {
			next = max(next, id+1)
		}
	}
	return next, nil
}
