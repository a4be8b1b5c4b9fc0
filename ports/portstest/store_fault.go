package portstest

import (
	"context"
	"sync"

	"posthorn/ports"
)

// A FaultStore is a Store whose Apply fails or waits when told to. Views, Limits and Close go straight through. It may
// be used from many goroutines at once.
type FaultStore struct {
	ports.Store

	mu      sync.Mutex
	applies int
	writes  int
	faults  map[int]fault // by the number of the Apply
}

// A fault is what happens to one Apply.
type fault struct {
	err   error
	after bool          // the commit is stored, and then the error returned
	held  chan struct{} // closed when the Apply has come; nil for no hold
	free  chan struct{} // closed to let it go on
}

// NewFaultStore wraps s. Until told otherwise it changes nothing.
func NewFaultStore(s ports.Store) *FaultStore {
	return &FaultStore{Store: s, faults: map[int]fault{}}
}

// FailBefore lets the k-th Apply from now, 1 being the next, return err with nothing stored. It replaces what was set
// for that Apply; every fault happens once.
func (f *FaultStore) FailBefore(k int, err error) { f.set(k, fault{err: err}) }

// FailAfter lets the k-th Apply from now, 1 being the next, store its commit and return err nevertheless: a crash
// between the disk and the answer. It replaces what was set for that Apply; every fault happens once.
func (f *FaultStore) FailAfter(k int, err error) { f.set(k, fault{err: err, after: true}) }

// Hold stops the k-th Apply from now, 1 being the next, before its effect. held is closed when that Apply has come,
// and release lets it go on; it may be called early, and more than once. An Apply that is never released blocks for
// ever, whatever becomes of its context.
func (f *FaultStore) Hold(k int) (held <-chan struct{}, release func()) {
	h := fault{held: make(chan struct{}), free: make(chan struct{})}
	f.set(k, h)
	return h.held, sync.OnceFunc(func() { close(h.free) })
}

// Applies returns how many times Apply was called.
func (f *FaultStore) Applies() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applies
}

// Writes returns how many entries, rewrites, puts and deletes the commits that were stored held together.
func (f *FaultStore) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Apply stores c, unless a fault is set for this call.
func (f *FaultStore) Apply(ctx context.Context, c ports.Commit) error {
	now := f.next()
	if now.held != nil {
		close(now.held)
		<-now.free
	}
	if now.err != nil && !now.after {
		return now.err
	}
	if err := f.Store.Apply(ctx, c); err != nil {
		return err
	}
	f.mu.Lock()
	f.writes += len(c.Entries) + len(c.Rewrites) + len(c.Puts) + len(c.Deletes)
	f.mu.Unlock()
	return now.err
}

func (f *FaultStore) set(k int, what fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[f.applies+k] = what
}

// next counts an Apply and takes its fault.
func (f *FaultStore) next() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applies++
	now := f.faults[f.applies]
	delete(f.faults, f.applies)
	return now
}
