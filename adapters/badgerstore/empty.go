package badgerstore

import (
	"fmt"
	"os"
)

// removeEmptyLogs removes logs without a single byte. Badger makes a log's file first and gives it its size then, and to remove one it takes
// the size away first: a process killed between the two leaves an empty file, which Badger refuses to open. Nothing was ever in the one, and
// what was in the other is in a table that is synced and named. See https://github.com/dgraph-io/badger/issues/2207.
func removeEmptyLogs(dir string) error {
	logs, err := listFiles(dir, "*.mem", "*.vlog")
	if err != nil {
		return err
	}
	for _, path := range logs {
		info, err := os.Stat(path)
		if err == nil && info.Size() == 0 {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("data directory %s cannot be used: %w; let this user write to it", dir, err)
		}
	}
	return nil
}
