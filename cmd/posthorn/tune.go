package main

import (
	"context"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// memoryLimit is the soft limit of the garbage collector in a process that only serves. The live heap is a few tens of MiB when little
// is written, and up to 240 while the store compacts (see badgerstore's tuning.go): a limit near that makes the collector run without end.
const memoryLimit = 400 << 20

// limitMemory sets it where GOMEMLIMIT does not: the operator's own goes before ours.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
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
