package badgerstore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"posthorn/ports"
)

// mostCompacted is more than a compaction of level 0 writes, see tuning.go.
const mostCompacted = 2 << 30

// checkDisk refuses before the disk is full. Badger writes its logs and tables through mapped sparse files: on a full disk the
// kernel would end the process by SIGBUS, where no error can be returned; and again after each start, if it was a compaction that filled it.
func (s *Store) checkDisk() error { return s.opts.checkDisk(s.compacted) }

// compacted is what a compaction of level 0 writes at the most: that level and the first below it that holds anything.
func (s *Store) compacted() (bytes uint64) {
	levels := s.db.Levels()
	bytes = uint64(levels[0].Size)
	for _, level := range levels[1:] {
		if level.Size > 0 {
			return min(bytes+uint64(level.Size), mostCompacted)
		}
	}
	return bytes
}

// nothing is compacted where there are no tables yet, or none of an open store.
func nothing() uint64 { return 0 }

// checkDisk adds to the floor what compaction will write, unless there is plenty of room.
func (o Options) checkDisk(compacted func() uint64) error {
	free, err := o.freeSpace(o.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s cannot be told: %w; name a directory on a local file system", o.Dir, err)
	}
	floor := o.DiskFloor
	if o.compacts && free < floor+mostCompacted {
		floor += compacted()
	}
	if free < floor {
		return fmt.Errorf("data directory %s has %d MiB free, at least %d MiB are needed; make room on its disk: %w",
			o.Dir, free>>20, floor>>20, ports.ErrDiskLow)
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
