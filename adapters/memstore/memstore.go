// Package memstore keeps a ports.Store in memory: for tests, which it serves as the store's double, and for engines
// that need not outlive their process.
//
// It has no goroutine and reads no clock, so it runs inside a testing/synctest bubble. Pairs lie in a copy-on-write
// B-tree and the log in a slice that grows, and is copied for a rewrite, so that a snapshot costs nothing and a view blocks nobody.
//
// It is as strict as a store on disk: its limits are of the same size, and the slices that a scan yields are
// overwritten by the next step.
//
// Read next: ports.Store for the contract, package portstest for the suite that holds this package to it.
package memstore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tidwall/btree"

	"posthorn/ports"
)

// The limits are of the size that the store on Badger has, so that what passes here passes there.
const (
	commitBytes  = 2 << 20
	commitWrites = 8192
	valueBytes   = 1<<20 - 1<<10
)

// A Store is a ports.Store in memory. Make one with New. All methods may be called from many goroutines at once, but
// for Apply, which has one caller at a time. It is empty again when the process ends.
type Store struct {
	use sync.WaitGroup // views and applies under way

	mu      sync.Mutex
	closed  bool
	pairs   *btree.Map[string, []byte] // values are never changed in place
	entries []ports.Entry              // only appended to, or else copied, so a shorter slice of it is a snapshot
	last    uint64                     // the last event ever stored
}

var _ ports.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{pairs: new(btree.Map[string, []byte])}
}

// Limits returns limits that never change: 2 MiB and 8192 writes a commit, 1 MiB less 1 KiB a value.
func (s *Store) Limits() ports.Limits {
	return ports.Limits{CommitBytes: commitBytes, CommitWrites: commitWrites, ValueBytes: valueBytes}
}

// Apply stores c whole or not at all, as ports.Store says. "Durable" means here: until the process ends.
func (s *Store) Apply(ctx context.Context, c ports.Commit) error {
	if err := s.begin(ctx); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	defer s.use.Done()

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := check(c, s.entries, s.last); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if len(c.Rewrites) > 0 {
		s.entries = rewritten(s.entries, c.Rewrites)
	}
	for _, e := range c.Entries {
		e.Data = append([]byte{}, e.Data...)
		s.entries = append(s.entries, e)
		s.last = e.Last
	}
	for _, p := range c.Puts {
		s.pairs.Set(string(p.Key), append([]byte{}, p.Value...))
	}
	for _, k := range c.Deletes {
		s.pairs.Delete(string(k))
	}
	return nil
}

// View calls read with a snapshot, as ports.Store says. An ended ctx stops it only before it begins.
func (s *Store) View(ctx context.Context, read func(ports.Reader) error) error {
	if err := s.begin(ctx); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	defer s.use.Done()

	s.mu.Lock()
	r := &reader{pairs: s.pairs.Copy(), entries: s.entries, last: s.last}
	s.mu.Unlock()
	return read(r)
}

// Close waits for views and an Apply under way; then every method returns ports.ErrClosed, and what was stored is gone.
// It is idempotent. Called from inside a View it would wait for itself.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.use.Wait()
	return nil
}

// rewritten returns a copy of the log with the rewrites done.
func rewritten(log, rewrites []ports.Entry) []ports.Entry {
	log = slices.Clone(log)
	for _, e := range rewrites {
		data := slices.Clone(e.Data)
		log[find(log, e.First)].Data = data
	}
	return slices.DeleteFunc(log, func(e ports.Entry) bool { return e.Data == nil })
}

// begin counts one use of the store; Close waits for its end.
func (s *Store) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("the memory store: %w", ports.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.use.Add(1)
	return nil
}
