package posthorn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"posthorn/adapters/badgerstore"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/ports"
)

// ReadBackup reads a backup that Posthorn.Backup has written, and checks every byte of it. What it returns is what the next backup can build on. It
// returns ErrDamaged for what is no backup, or not as it was written.
func ReadBackup(from io.Reader) (*BackupOutline, error) { return backup.Read(from) }

// Restore puts the newest of a chain of backup files into o.Dir, which must be empty or missing: a full backup, and then those since, oldest first.
// All files are read and checked before anything is written. It returns ErrConflict for a directory that is not empty and for files that do
// not build on each other, ErrDamaged for a file that is not what was written, and ErrDiskLow. What an interrupted restore has left, Open
// refuses: empty the directory, and restore again. The key is not in a backup: give it to Open, or put secret.key into the directory. Of o it
// looks at Dir and Logger.
func Restore(ctx context.Context, o Options, files ...string) (_ Restored, err error) {
	if o.Dir == "" {
		return Restored{}, errors.New("restore: no Dir was given; a backup is put back into a directory; set Options.Dir")
	}
	if err := emptyDir(o.Dir); err != nil {
		return Restored{}, err
	}
	var named []backup.File
	var opened []io.Closer
	defer func() {
		for _, f := range opened {
			_ = f.Close() // it was only read
		}
	}()
	for _, name := range files {
		f, size, err := openBackup(name)
		if err != nil {
			return Restored{}, err
		}
		named, opened = append(named, backup.File{Name: name, Size: size, From: f}), append(opened, f)
	}
	chain, err := backup.Open(named...)
	if err != nil {
		return Restored{}, err
	}
	if err := markRestoring(o.Dir); err != nil {
		return Restored{}, err
	}
	report, err := restoreInto(ctx, o, chain)
	if err != nil {
		return report, fmt.Errorf("%w; what is in %s now is not whole, empty it before you restore again", err, o.Dir)
	}
	return report, errors.Join(os.Remove(filepath.Join(o.Dir, restoringName)), syncDir(o.Dir))
}

func restoreInto(ctx context.Context, o Options, chain *backup.Chain) (_ Restored, err error) {
	store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: o.Dir, Logger: o.Logger})
	if err != nil {
		return Restored{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return engine.Restore(ctx, store, chain)
}

// restoringName is a file that stands in a directory until a backup was put back into it. The mark in the store says the same to whoever opens the
// store alone; but a store is there before its first commit, and without this file an engine would begin anew in it.
const restoringName = "RESTORING"

func markRestoring(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, restoringName), []byte("a backup is being put back\n"), 0o600)
	}
	if err = errors.Join(err, syncDir(dir)); err != nil {
		return fmt.Errorf("data directory %q cannot be made: %w; name one that this user may write to", dir, err)
	}
	return nil
}

// checkRestored refuses a directory that a backup was not wholly put back into.
func checkRestored(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, restoringName)); err != nil {
		return nil //nolint:nilerr // what else is wrong with the directory, whoever opens it tells
	}
	return fmt.Errorf("data directory %s is refused: a backup was being put back, and that was interrupted: %w; empty it, and run `posthorn restore` again",
		dir, ports.ErrDamaged)
}

// emptyDir refuses a directory that holds anything: what is there may be the last copy.
func emptyDir(dir string) error {
	found, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("data directory cannot be read: %w; name one that this user may use", err)
	case len(found) > 0:
		return fmt.Errorf("data directory %s is refused: it is not empty, it holds %s: %w; name another, or move what is there away",
			dir, found[0].Name(), ports.ErrConflict)
	}
	return nil
}

func openBackup(name string) (*os.File, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("backup cannot be read: %w; name a file that posthorn backup has written", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("backup %s is refused: it is no file; name one that posthorn backup has written", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}
