package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// tailEvents is how many of the last events Open checks for a hole: more than the memtables hold together with the rows that events change,
// so that a lost log of a memtable is found.
const tailEvents = 500_000

// inspect reads what lies in dir before Badger does, and changes nothing. Badger alone would go on after some damage:
// it skips a table with a wrong checksum, and removes every table that its manifest does not name, be it that the
// manifest is cut off.
func inspect(ctx context.Context, dir string) error {
	manifest, err := readManifest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return inspectNew(dir)
	}
	if err != nil {
		return refused(dir, fmt.Errorf("its file MANIFEST cannot be read: %w", err))
	}
	if err := inspectRegistry(dir); err != nil {
		return damaged(dir, fmt.Errorf("its file %s: %w", badger.KeyRegistryFileName, err))
	}
	newest := uint64(0)
	for id := range manifest.Tables {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("open store in %s: %w", dir, err)
		}
		version, err := verifyTable(table.NewFilename(id, dir))
		if err != nil {
			return damaged(dir, fmt.Errorf("table %06d: %w", id, err))
		}
		newest = max(newest, version)
	}
	logs, err := readLogs(dir)
	if err != nil {
		return err
	}
	if err := inspectUnnamed(dir, manifest, newest, logs); err != nil {
		return err
	}
	return inspectEnd(dir, max(newest, logs.newest))
}

// inspectNew passes a directory in which Badger has not begun: it writes its manifest first of all.
func inspectNew(dir string) error {
	found, err := badgerFiles(dir)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return damaged(dir, fmt.Errorf("its file MANIFEST is missing, %s is there", filepath.Base(found[0])))
	}
	return inspectEnd(dir, 0)
}

// badgerFiles lists what only Badger writes.
func badgerFiles(dir string) ([]string, error) {
	return listFiles(dir, badger.ManifestFilename, badger.KeyRegistryFileName, "*.sst", "*.mem", "*.vlog")
}

func listFiles(dir string, patterns ...string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be listed: %w; let this user read it", dir, err)
	}
	var found []string
	for _, file := range all {
		for _, pattern := range patterns {
			if ok, _ := filepath.Match(pattern, file.Name()); ok { // the patterns are well formed
				found = append(found, filepath.Join(dir, file.Name()))
			}
		}
	}
	return found, nil
}

// inspectRegistry reads the list of keys that Badger would encrypt with, which names none. Badger.Open leaves a goroutine behind when it
// finds it damaged.
func inspectRegistry(dir string) error {
	keys, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true})
	if err != nil {
		return err
	}
	return keys.Close()
}

func readManifest(dir string) (badger.Manifest, error) {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return badger.Manifest{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	m, _, err := badger.ReplayManifestFile(f, 0, badgerOptions(dir))
	return m, err
}

// inspectUnnamed looks at tables that the manifest does not name. A crash leaves some, from a flush or a compaction
// that had not ended: what they hold is also in a memtable's log or in older tables. One that is newer than these tables and older than
// the logs was named once, so the manifest has lost its end, and Badger would remove the table.
func inspectUnnamed(dir string, m badger.Manifest, newest uint64, logs span) error {
	tables, err := listFiles(dir, "*.sst")
	if err != nil {
		return err
	}
	for _, path := range tables {
		id, ok := table.ParseFileID(path)
		if _, named := m.Tables[id]; named || !ok {
			continue
		}
		version, err := verifyTable(path)
		if err == nil && version > newest && version < logs.oldest { // an unreadable one was never finished
			return damaged(dir, fmt.Errorf("its file MANIFEST does not name table %06d, which alone holds commit %d", id, version))
		}
	}
	return nil
}

// verifyTable reads a whole table and returns the newest commit in it. It panics nowhere: what Badger panics with on a
// broken table comes back as an error.
func verifyTable(path string) (newest uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable: %.100v", p)
		}
	}()
	file, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	t, err := table.OpenTable(file, table.Options{ChkMode: options.OnTableRead, BlockSize: 4096})
	if err != nil {
		return 0, err
	}
	newest = t.MaxVersion()
	return newest, t.Close(-1)
}

// checkTail walks the end of the log and returns its last event.
func (s *Store) checkTail() (uint64, error) {
	txn := s.db.NewTransactionAt(s.now.commit, false)
	defer txn.Discard()
	last := lastEvent(txn)
	if last == 0 {
		return 0, nil
	}
	log := openLog(txn)
	defer log.close()
	for _, err := range log.walk(last-min(last, tailEvents), last) {
		if err != nil {
			return 0, damaged(s.opts.Dir, err)
		}
	}
	return last, nil
}
