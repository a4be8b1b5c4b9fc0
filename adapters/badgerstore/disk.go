package badgerstore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"posthorn/ports"
)

// checkDisk refuses before the disk is full. Badger writes its log through a mapped sparse file: on a full disk the
// kernel would end the process by SIGBUS, where no error can be returned.
func (o Options) checkDisk() error {
	free, err := o.freeSpace(o.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s cannot be told: %w; name a directory on a local file system", o.Dir, err)
	}
	if free < o.DiskFloor {
		return fmt.Errorf("data directory %s has %d MiB free, at least %d MiB are needed; make room on its disk: %w",
			o.Dir, free>>20, o.DiskFloor>>20, ports.ErrDiskLow)
	}
	return nil
}

// freeSpace returns the bytes that this user may still write, by statfs(2).
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
