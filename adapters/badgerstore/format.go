package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"posthorn/ports"
)

// format is the number of what a directory holds, the engine's entries and rows included. It grows when an older binary could not read what
// a newer one has written. Formats 1,
// of JSON, and 2, whose log was in one piece, were never released.
const (
	format = 3
	oldest = 3 // that is read
)

// formatName is the file that tells what a directory is. It is the first file in a new directory and never changes.
const (
	formatName = "FORMAT"
	formatText = "posthorn data directory, format %d\n"
)

// ensureFormat writes the format into a new directory, and refuses one whose format it cannot read.
func ensureFormat(dir string) error {
	path := filepath.Join(dir, formatName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createFormat(dir, path)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: its format cannot be read: %w; let this user read it", dir, err)
	}
	var number int
	if _, err := fmt.Sscanf(string(text), formatText, &number); err != nil || number < 1 {
		return damaged(dir, fmt.Errorf("the file %s says %.60q", formatName, text))
	}
	if number > format {
		return fmt.Errorf("data directory %s has format %d, this binary reads up to %d; use a newer posthorn, or another directory",
			dir, number, format)
	}
	if number < oldest {
		return fmt.Errorf("data directory %s has format %d, of before the first release; this binary reads format %d; name another directory, "+
			"or use the posthorn that wrote it", dir, number, format)
	}
	return nil
}

func createFormat(dir, path string) error {
	found, err := badgerFiles(dir)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return damaged(dir, fmt.Errorf("the file %s is missing, %s is there", formatName, filepath.Base(found[0])))
	}
	if err := writeSynced(path, fmt.Appendf(nil, formatText, format)); err != nil {
		return fmt.Errorf("data directory %s cannot be written to: %w; name a directory that this user may write to", dir, err)
	}
	return nil
}

// writeSynced makes a file that is there whole or not at all after a crash.
func writeSynced(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), formatName+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // our own directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// damaged says so, and what to do.
func damaged(dir string, why error) error {
	return fmt.Errorf("data directory %s is refused: %w; restore it from a backup: %w", dir, why, ports.ErrDamaged)
}
