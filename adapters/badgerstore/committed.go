package badgerstore

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// committedName is the file that holds the number of the newest commit with entries or rewrites. Badger replays the log of a memtable up to the
// first byte that is wrong, and cuts off the rest: it takes damage in the middle for the end that a crash has left. By this number the
// two are told apart. It is written after the commit's sync and before Apply returns, and is itself synced only by Close: it costs no
// sync, and after a loss of power it may be older than the log, but never newer.
//
// Commits of pairs alone do not count. What they delete leaves no trace once it is compacted, so their numbers are not found again. Of a
// commit that counts there is always a trace, or one of a newer such commit: every removed entry leaves a gap, and a gap that is joined to
// another is written anew.
const committedName = "COMMITTED"

const committedText = "%020d %08x\n" // always as long, so that it is overwritten in place

// readCommitted returns the number in dir's file, 0 where there is none: for a new directory, or when a loss of power has left the file
// without its text. It only ever says more than the log when something is wrong.
func readCommitted(dir string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(dir, committedName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("data directory %s: its file %s cannot be read: %w; let this user read it", dir, committedName, err)
	}
	var commit uint64
	var sum uint32
	_, _ = fmt.Sscanf(string(text), committedText, &commit, &sum) // the next line checks it
	if string(text) != committedLine(commit) {
		return 0, nil
	}
	return commit, nil
}

func committedLine(commit uint64) string {
	return fmt.Sprintf(committedText, commit, crc32.ChecksumIEEE(fmt.Append(nil, commit)))
}

// openCommitted opens the file for writing, and makes it if there is none.
func openCommitted(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, committedName), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be written to: %w; name a directory that this user may write to", dir, err)
	}
	return f, nil
}

// noteCommitted writes the number of a commit that is synced.
func (s *Store) noteCommitted(commit uint64) error {
	_, err := s.committed.WriteAt([]byte(committedLine(commit)), 0)
	return err
}

// inspectEnd refuses a directory in which fewer commits can be read than were stored. newest is the newest that can.
func inspectEnd(dir string, newest uint64) error {
	stored, err := readCommitted(dir)
	if err != nil || newest >= stored {
		return err
	}
	return damaged(dir, fmt.Errorf("commit %d was stored, and the newest that can be read is %d: the end of a log is damaged or missing; "+
		"without its file %s it would open as it is, with the loss", stored, newest, committedName))
}
