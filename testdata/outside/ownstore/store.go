// Package ownstore is a stranger's store: a map and a slice, copied whole for every snapshot.
package ownstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"posthorn/ports"
)

// A Store implements ports.Store. Make one with New.
type Store struct {
	mu     sync.Mutex
	using  sync.WaitGroup
	closed bool
	now    snapshot
}

// A snapshot is never changed, but replaced.
type snapshot struct {
	pairs   map[string][]byte
	entries []ports.Entry
	last    uint64
}

var _ ports.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

// Limits implements ports.Store.
func (s *Store) Limits() ports.Limits {
	return ports.Limits{CommitBytes: 4 << 20, CommitWrites: 10_000, ValueBytes: 1 << 20}
}

// Apply implements ports.Store.
func (s *Store) Apply(ctx context.Context, c ports.Commit) error {
	now, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.using.Done()
	if err := s.fits(c); err != nil {
		return err
	}
	next := snapshot{maps.Clone(now.pairs), slices.Clone(now.entries), now.last}
	if next.pairs == nil {
		next.pairs = map[string][]byte{}
	}
	if err := next.rewrite(c.Rewrites); err != nil {
		return err
	}
	for _, e := range c.Entries {
		if e.First != next.last+1 || e.Last < e.First {
			return fmt.Errorf("entry %d to %d after event %d: %w", e.First, e.Last, next.last, ports.ErrOutOfOrder)
		}
		e.Data = append([]byte{}, e.Data...)
		next.entries, next.last = append(next.entries, e), e.Last
	}
	named := map[string]bool{}
	for _, p := range c.Puts {
		next.pairs[string(p.Key)], named[string(p.Key)] = bytes.Clone(p.Value), true
	}
	for _, k := range c.Deletes {
		delete(next.pairs, string(k))
		named[string(k)] = true
	}
	if len(named) < len(c.Puts)+len(c.Deletes) {
		return errors.New("a key is named twice")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = next
	return nil
}

func (s *snapshot) rewrite(rewrites []ports.Entry) error {
	seen := map[uint64]bool{}
	for _, e := range rewrites {
		i := slices.IndexFunc(s.entries, func(old ports.Entry) bool { return old.First == e.First && old.Last == e.Last })
		if i < 0 {
			return fmt.Errorf("entry %d to %d: %w", e.First, e.Last, ports.ErrNotFound)
		}
		s.entries[i].Data, seen[e.First] = bytes.Clone(e.Data), true
	}
	if len(seen) < len(rewrites) {
		return errors.New("an entry is named twice")
	}
	s.entries = slices.DeleteFunc(s.entries, func(e ports.Entry) bool { return e.Data == nil })
	return nil
}

func (s *Store) fits(c ports.Commit) error {
	limits, size := s.Limits(), 0
	add := func(key, value []byte) bool {
		size += len(key) + len(value)
		return len(value) <= limits.ValueBytes
	}
	ok := len(c.Entries)+len(c.Puts)+len(c.Deletes)+ports.RewriteWrites*len(c.Rewrites) <= limits.CommitWrites
	for _, e := range slices.Concat(c.Entries, c.Rewrites) {
		ok = add(nil, e.Data) && ok
	}
	for _, p := range c.Puts {
		ok = add(p.Key, p.Value) && ok
	}
	for _, k := range c.Deletes {
		ok = add(k, nil) && ok
	}
	if !ok || size > limits.CommitBytes {
		return fmt.Errorf("a commit of %d bytes: %w", size, ports.ErrTooLarge)
	}
	return nil
}

// View implements ports.Store.
func (s *Store) View(ctx context.Context, read func(ports.Reader) error) error {
	now, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.using.Done()
	return read(now)
}

// Close implements ports.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.using.Wait()
	return nil
}

func (s *Store) begin(ctx context.Context) (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return snapshot{}, ports.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return snapshot{}, err
	}
	s.using.Add(1)
	return s.now, nil
}

// Get implements ports.Reader.
func (s snapshot) Get(key []byte) ([]byte, error) {
	value, ok := s.pairs[string(key)]
	if !ok {
		return nil, ports.ErrNotFound
	}
	return bytes.Clone(value), nil
}

// Scan implements ports.Reader.
func (s snapshot) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	return func(yield func(ports.Pair, error) bool) {
		keys := slices.Sorted(maps.Keys(s.pairs))
		if reverse {
			slices.Reverse(keys)
		}
		for _, k := range keys {
			if k < string(from) || to != nil && k >= string(to) {
				continue
			}
			if !yield(ports.Pair{Key: []byte(k), Value: s.pairs[k]}, nil) {
				return
			}
		}
	}
}

// Entries implements ports.Reader.
func (s snapshot) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	return func(yield func(ports.Entry, error) bool) {
		for _, e := range s.entries {
			if e.Last > after && !yield(e, nil) {
				return
			}
		}
	}
}

// LastSeq implements ports.Reader.
func (s snapshot) LastSeq() (uint64, error) { return s.last, nil }
