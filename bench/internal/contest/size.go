package contest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// SizeOf returns the bytes that the files below dir take on the disk. Sparse files, as mapped logs are, count what they have.
func SizeOf(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a table that was merged meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += stat.Blocks * blockBytes
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", dir, err)
	}
	return sum, nil
}

// blockBytes is what st_blocks counts in, whatever the blocks of the disk are (stat(2)).
const blockBytes = 512
