package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// block is the unit that stat(2) counts blocks in, whatever the file system's own.
const block = 512

// diskUse returns the bytes that dir's files take on the disk. Badger's logs are sparse: their length says little.
func diskUse(dir string) (int64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("data directory %s cannot be listed: %w; let this user read it", dir, err)
	}
	total := int64(0)
	for _, file := range files {
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return 0, fmt.Errorf("data directory %s cannot be read: %w; let this user read it", dir, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			total += st.Blocks * block
			continue
		}
		total += info.Size()
	}
	return total, nil
}
