package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// memoryLimit is the soft limit of the garbage collector in a process that only serves. The live heap is a few tens of MiB when little
// is written, and up to 240 while the store compacts (see badgerstore's tuning.go): a limit near that makes the collector run without end.
const memoryLimit = 400 << 20

// moreThreads is how many threads run Go code beyond one for each processor: as many as a compaction of the store keeps busy (up to five
// parts, and 13 tables that are built). Without them a call's goroutines stand in line behind those, which give way only every
// 10 ms; with them the operating system lets those that have waited have their turn at once. It costs up to a twentieth of the
// delivered/s, and beside a flood cuts the slowest hundredth of another company's calls from 300 ms to 20.
const moreThreads = 14

// tuneRuntime sets both, where GOMEMLIMIT and GOMAXPROCS do not: the operator's own go before ours.
func tuneRuntime() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + moreThreads)
	}
}

// keepPrivate lets nobody else read the files that the process makes from now on: the store makes its own with the umask's leave. It is
// the process's, so the library leaves it alone.
func keepPrivate() { syscall.Umask(0o077) }

// quietAfter is how long nothing may have happened before memory that is not needed goes back to the system.
const quietAfter = 10 * time.Second

// A memoryWatch notices when work has ended. Left to itself the collector keeps what a burst has taken, for it runs only as memory is
// asked for, and every two minutes.
type memoryWatch struct {
	seen     uint64
	released bool
}

// look is called every quietAfter with the number of the last event.
func (m *memoryWatch) look(last func(context.Context) (uint64, error)) {
	now, err := last(context.Background())
	switch {
	case err != nil:
	case now != m.seen:
		m.seen, m.released = now, false
	case !m.released:
		debug.FreeOSMemory()
		m.released = true
	}
}
