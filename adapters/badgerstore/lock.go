package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"posthorn/ports"
)

// lockName is the file with the holder's pid. It has the name and the content of Badger's own, and the lock itself is
// taken on the directory as Badger takes it, so that Badger's tools keep out too. The lock is taken here and not by
// Badger because the directory is inspected under it first.
const lockName = "LOCK"

// A dirLock keeps other stores out of a directory. It ends with the process at the latest.
type dirLock struct {
	dir     *os.File
	pidFile string
}

// lockPoll is how often the lock of another is tried: flock's own waiting can be ended by no context.
const lockPoll = 20 * time.Millisecond

// acquire takes the lock of o.Dir, and waits for it as long as o says.
func (o Options) acquire(ctx context.Context) (*dirLock, error) {
	lock, err := tryAcquire(o.Dir)
	if o.WaitLock <= 0 || !errors.Is(err, ports.ErrLocked) {
		return lock, err
	}
	o.Logger.Info("waiting for the data directory", "for", o.WaitLock.String(), "because", err)
	late, poll := time.NewTimer(o.WaitLock), time.NewTicker(lockPoll)
	defer late.Stop()
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the wait for data directory %s was ended: %w", o.Dir, ctx.Err())
		case <-late.C:
			return nil, fmt.Errorf("waited for %s: %w", o.WaitLock, err)
		case <-poll.C:
		}
		if lock, err = tryAcquire(o.Dir); !errors.Is(err, ports.ErrLocked) {
			return lock, err
		}
	}
}

func tryAcquire(dir string) (*dirLock, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %q cannot be opened: %w; name a directory that this user may read", dir, err)
	}
	l := &dirLock{dir: f, pidFile: filepath.Join(dir, lockName)}
	if err := l.take(); err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return l, nil
}

func (l *dirLock) take() error {
	err := unix.Flock(int(l.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("data directory %s is in use by %s; stop it, or talk to it with --server: %w",
			l.dir.Name(), l.holder(), ports.ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("data directory %s cannot be locked: %w; name one on a local file system", l.dir.Name(), err)
	}
	if err := os.WriteFile(l.pidFile, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return fmt.Errorf("data directory %s cannot be written to: %w; name a directory that this user may write to",
			l.dir.Name(), err)
	}
	return nil
}

// holder names the process that has the lock. Between taking the lock and writing the file it is not known.
func (l *dirLock) holder() string {
	pid, err := os.ReadFile(l.pidFile)
	if name := strings.TrimSpace(string(pid)); err == nil && name != "" {
		return "pid " + name
	}
	return "another process"
}

// release removes the pid file first: after the unlock it may be another's.
func (l *dirLock) release() error {
	// Unlocked by name: a child that this process has forked and that has not yet begun its own program holds a copy of the
	// descriptor, so that closing ours would not let go.
	return errors.Join(os.Remove(l.pidFile), unix.Flock(int(l.dir.Fd()), unix.LOCK_UN), l.dir.Close()) //nolint:gosec // the file that it made
}
