// Package badgerstore keeps a ports.Store on disk with Badger: an LSM tree whose write-ahead log is synced at every
// commit.
//
// How a commit travels: Apply puts the entries and pairs into one Badger transaction. Badger writes it with an end
// marker into the log of the memtable, which is a mapped file; the store syncs that (durable.go), and only then Apply returns. A crash before the
// marker is on disk leaves a tail that the next Open cuts off; a crash after it finds the commit whole. Full memtables
// are flushed to tables, and the log of a memtable is removed only when its table and the manifest are synced.
//
// Badger runs in its managed mode, where this package hands out the commit numbers: a view reads at the last commit
// that has returned, and so never waits for the sync of the next one, as it would in the normal mode.
//
// Badger's value log stays empty, for its sync errors are only logged: every value is below its threshold. So it needs
// no garbage collection either; compaction alone gives space back.
//
// Read next: ports.Store for the contract, tuning.go for the settings and what was measured, inspect.go for what is
// checked before Badger may touch a directory, committed.go for how damage is told from such a tail.
package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// DefaultDiskFloor is the free space in bytes below which Apply refuses even if there is nothing to compact: what Badger may still write after
// the last Apply that was let through. That is the mapped logs of four memtables at twice their size (128 MiB, sparse until
// written), their tables (64 MiB), and the output of a compaction between lower levels (64 MiB).
const DefaultDiskFloor = 256 << 20

// Options say where a Store lives. Only Dir is required.
type Options struct {
	// Dir is the data directory. It is made, with mode 0700, if it does not exist.
	Dir string
	// Logger gets Badger's own messages, as debug and warn. Nil means slog.Default().
	Logger *slog.Logger
	// DiskFloor is the free space in bytes below which Open and Apply refuse. 0 means DefaultDiskFloor, and beside it what the next
	// compaction of level 0 may write before it removes anything: as much as that level and the one below it hold, up to 2 GiB.
	DiskFloor uint64
	// Forgetful says that what is stored is deleted again before long, as under retention. The store then compacts earlier: it takes less
	// room, and more processor time. A directory may be opened either way.
	Forgetful bool
	// WaitLock is how long Open waits for another Store to let go of the directory; 0 or less does not wait.
	WaitLock time.Duration

	compacts bool // the floor grows with what compaction writes

	freeSpace func(dir string) (uint64, error) // nil means statfs; tests set it
	onStep    func(step string)                // hears of the steps of Compact, and of reclaims; tests set it

	reclaimFloor int64 // as the constants of these names; tests set them
	reclaimAge   uint64
}

// A Store is a ports.Store in one directory, which it alone may use. All methods may be called from many goroutines at
// once, but for Apply, which has one caller at a time.
type Store struct {
	opts  Options
	db    *badger.DB
	lock  *dirLock
	syncs atomic.Uint64

	log       *durableLog // for the one caller of Apply, as is committed
	committed *os.File
	reclaimer *reclaimer

	use       sync.WaitGroup // views and an Apply under way
	closeOnce sync.Once
	closeErr  error

	mu     sync.Mutex
	closed bool
	broken error          // what the Apply that failed returned; nothing may be written after it
	now    snapshot       // what a view that begins now will see
	views  map[uint64]int // how many views read at which commit
}

// A snapshot is the number of a commit, and of the last event stored by it.
type snapshot struct{ commit, last uint64 }

var _ ports.Store = (*Store)(nil)

// Open opens the store in o.Dir, or makes one there. The whole of it is read once to verify its checksums (about a
// second for a gigabyte from a fast disk); an ended ctx stops that.
//
// It returns ports.ErrLocked when another Store holds the directory, in this process or another, for longer than o.WaitLock; ports.ErrDamaged when
// what lies there is not what was written, in which case nothing in it was changed; ports.ErrDiskLow when the disk is
// below the floor; and an error that names the directory when it cannot be used or is of a newer format.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := makeDir(o.Dir); err != nil {
		return nil, err
	}
	lock, err := o.acquire(ctx)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(ctx, o)
	if err != nil {
		_ = lock.release() // the error that stopped Open says more than one about the lock would
		return nil, err
	}
	s.lock = lock
	return s, nil
}

func openLocked(ctx context.Context, o Options) (*Store, error) {
	if err := o.checkDisk(nothing); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := ensureFormat(o.Dir); err != nil {
		return nil, err
	}
	if err := inspect(ctx, o.Dir); err != nil {
		return nil, err
	}
	if err := removeEmptyLogs(o.Dir); err != nil {
		return nil, err
	}
	committed, err := openCommitted(o.Dir)
	if err != nil {
		return nil, err
	}
	db, err := openBadger(o, false)
	if err != nil {
		_ = committed.Close() // nothing was written
		return nil, err
	}
	log, err := openDurable(o.Dir)
	if err != nil {
		_, _ = db.Close(), committed.Close() // nothing was written
		return nil, err
	}
	s := &Store{opts: o, db: db, log: log, committed: committed, views: map[uint64]int{}}
	if err := errors.Join(s.start(), s.checkDisk()); err != nil {
		_, _, _ = db.Close(), log.close(), committed.Close() // as above
		return nil, err
	}
	s.reclaimer = newReclaimer(o, db)
	return s, nil
}

// start finds out where the store stands.
func (s *Store) start() error {
	s.now.commit = s.db.MaxVersion()
	last, err := s.checkTail()
	if err != nil {
		return err
	}
	s.now.last = last
	s.db.SetDiscardTs(s.now.commit)
	return nil
}

// Syncs returns how many commits this Store has synced since it was opened: one for each Apply that stored something.
func (s *Store) Syncs() uint64 { return s.syncs.Load() }

// Limits returns limits that never change: 2 MiB and 8192 writes a commit, 1 MiB less 1 KiB a value. Keys have up to
// 60,000 bytes.
func (s *Store) Limits() ports.Limits {
	return ports.Limits{CommitBytes: commitBytes, CommitWrites: commitWrites, ValueBytes: valueBytes}
}

// Close waits for views and an Apply under way, then flushes and releases the directory. It is idempotent, and every
// call returns what the first one did. Called from inside a View it would wait for itself.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.use.Wait()
	s.closeOnce.Do(func() {
		s.closeErr = s.closeFiles()
		if err := s.lock.release(); s.closeErr == nil {
			s.closeErr = err
		}
		if s.closeErr != nil {
			s.closeErr = fmt.Errorf("close store in %s: %w", s.opts.Dir, s.closeErr)
		}
	})
	return s.closeErr
}

// closeFiles brings what is in memory into tables, and closes all but the lock.
func (s *Store) closeFiles() error {
	s.reclaimer.stop()
	return errors.Join(s.db.Close(), s.log.close(), s.committed.Sync(), s.committed.Close())
}

// begin counts one use of the store, whose end Close waits for, and registers a view of what is stored now.
func (s *Store) begin(ctx context.Context) (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return snapshot{}, fmt.Errorf("the store in %s: %w", s.opts.Dir, ports.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return snapshot{}, err
	}
	s.use.Add(1)
	s.views[s.now.commit]++
	return s.now, nil
}

// end takes back what begin did.
func (s *Store) end(at snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.views[at.commit]--; s.views[at.commit] == 0 {
		delete(s.views, at.commit)
	}
	s.use.Done()
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.DiskFloor == 0 {
		o.DiskFloor, o.compacts = DefaultDiskFloor, true
	}
	if o.reclaimFloor == 0 {
		o.reclaimFloor, o.reclaimAge = reclaimFloor, reclaimAge
	}
	if o.freeSpace == nil {
		o.freeSpace = freeSpace
	}
	return o
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory %q cannot be made: %w; name a directory that this user may write to", dir, err)
	}
	return nil
}
