package badgerstore

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is fsync without the times of the file.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
