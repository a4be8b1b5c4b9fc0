package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// syncsItself says that the store makes commits durable by itself. Badger's own way (SyncWrites) syncs its value log too with each commit, which
// is empty here and takes as long again, and does not sync the directory when it makes a log, whose name a loss of power may then take.
// It needs a system whose fdatasync also writes what was changed through a mapping, as Linux does; elsewhere Badger's way is taken.
const syncsItself = runtime.GOOS == "linux"

// A durable log is the newest log of Badger's memtables, into which every commit goes whole. It belongs to the one caller of Apply.
type durableLog struct {
	dir    string
	number int
	file   *os.File
}

// openDurable finds the log into which Badger, which has just been opened, writes.
func openDurable(dir string) (*durableLog, error) {
	d := &durableLog{dir: dir}
	logs, err := listFiles(dir, "*.mem")
	if err != nil {
		return nil, err
	}
	for _, path := range logs {
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".mem")); err == nil {
			d.number = max(d.number, n)
		}
	}
	if d.file, err = os.Open(d.path(d.number)); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be used: %w; look for another program that removes files there", dir, err)
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// path is where Badger keeps a log (mtFilePath in its memtable.go).
func (d *durableLog) path(number int) string {
	return filepath.Join(d.dir, fmt.Sprintf("%05d.mem", number))
}

// sync makes the commit that Badger has just taken durable. Badger begins a new log before a commit that would not fit, never within one, and
// numbers them one by one: so the commit is in the newest there is.
func (d *durableLog) sync() error {
	if !syncsItself {
		return nil
	}
	if err := d.follow(); err != nil {
		return err
	}
	return datasync(d.file)
}

// follow opens the log after this one if there is one, and makes its name durable.
func (d *durableLog) follow() error {
	begun := false
	for {
		next, err := os.Open(d.path(d.number + 1)) //nolint:gosec // in our own directory
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		_ = d.file.Close() // it was only synced
		d.file, begun = next, true
		d.number++
	}
	if begun {
		return syncDir(d.dir)
	}
	return nil
}

func (d *durableLog) close() error { return d.file.Close() }
