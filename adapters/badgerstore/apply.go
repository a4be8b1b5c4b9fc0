package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// errTwice is for the caller's fault of naming a key, or an entry, more than once in a commit.
var errTwice = errors.New("named twice in one commit")

// Apply stores c whole or not at all, in one Badger transaction that is synced when Apply returns. An ended ctx stops
// it only before it begins, and then nothing was stored.
//
// After an error that leaves the outcome open every further Apply returns the same error, until the store is opened
// anew. Views go on.
func (s *Store) Apply(ctx context.Context, c ports.Commit) error {
	at, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	defer s.end(at)
	if err := s.apply(at, c); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

func (s *Store) apply(at snapshot, c ports.Commit) error {
	if err := s.isBroken(); err != nil {
		return err
	}
	if err := checkOrder(c.Entries, at.last); err != nil {
		return err
	}
	if err := checkSize(c); err != nil {
		return err
	}
	if err := s.checkDisk(); err != nil {
		return err
	}
	next := snapshot{commit: at.commit + 1, last: at.last}
	if n := len(c.Entries); n > 0 {
		next.last = c.Entries[n-1].Last
	}
	if len(c.Entries)+len(c.Rewrites)+len(c.Puts)+len(c.Deletes) == 0 {
		return nil
	}
	txn := s.db.NewTransactionAt(at.commit, true)
	defer txn.Discard()
	s.reclaimer.count(txn, at, c)
	if err := errors.Join(write(txn, c), s.rewrite(txn, at, c.Rewrites)); err != nil {
		return err
	}
	if err := errors.Join(txn.CommitAt(next.commit, nil), s.log.sync()); err != nil {
		return s.fail(fmt.Errorf("commit %d in %s, outcome unknown; open the store anew: %w", next.commit, s.opts.Dir, err))
	}
	s.syncs.Add(1)
	s.advance(next)
	s.reclaimer.remind()
	if len(c.Entries)+len(c.Rewrites) > 0 {
		if err := s.noteCommitted(next.commit); err != nil {
			return s.fail(fmt.Errorf("commit %d in %s is stored, but not its number in %s; open the store anew: %w",
				next.commit, s.opts.Dir, committedName, err))
		}
	}
	return nil
}

// write fills the transaction. Badger keeps the slices only until CommitAt returns, so values need no copy.
func write(txn *badger.Txn, c ports.Commit) error {
	seen := make(map[string]struct{}, len(c.Puts)+len(c.Deletes))
	once := func(key []byte) error {
		if _, ok := seen[string(key)]; ok {
			return fmt.Errorf("key %q: %w; join the writes before", key, errTwice)
		}
		seen[string(key)] = struct{}{}
		return nil
	}
	for _, e := range c.Entries {
		if err := txn.Set(entryKey(e), e.Data); err != nil {
			return fmt.Errorf("entry %d to %d: %w", e.First, e.Last, err)
		}
	}
	for _, p := range c.Puts {
		if err := errors.Join(once(p.Key), txn.Set(pairKey(p.Key), p.Value)); err != nil {
			return fmt.Errorf("put %q: %w", p.Key, err)
		}
	}
	for _, k := range c.Deletes {
		if err := errors.Join(once(k), txn.Delete(pairKey(k))); err != nil {
			return fmt.Errorf("delete %q: %w", k, err)
		}
	}
	return nil
}

// advance shows the commit to views that begin from now on, and lets compaction drop what no view can see any more.
func (s *Store) advance(next snapshot) {
	s.mu.Lock()
	s.now = next
	s.mu.Unlock()
	s.db.SetDiscardTs(s.oldest())
}

// oldest returns the oldest commit that a view reads, or will read.
func (s *Store) oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.now.commit
	for commit := range s.views {
		oldest = min(oldest, commit)
	}
	return oldest
}

func (s *Store) isBroken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// fail keeps err for every Apply to come.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
	return err
}

func checkOrder(entries []ports.Entry, last uint64) error {
	for _, e := range entries {
		if e.First != last+1 || e.Last < e.First {
			return fmt.Errorf("entry %d to %d does not follow event %d; begin at %d: %w",
				e.First, e.Last, last, last+1, ports.ErrOutOfOrder)
		}
		last = e.Last
	}
	return nil
}

func checkSize(c ports.Commit) error {
	total, value, key := 0, 0, 0
	for _, e := range slices.Concat(c.Entries, c.Rewrites) {
		total += len(e.Data)
		value = max(value, len(e.Data))
	}
	for _, p := range c.Puts {
		total += len(p.Key) + len(p.Value)
		key, value = max(key, len(p.Key)), max(value, len(p.Value))
	}
	for _, k := range c.Deletes {
		total += len(k)
		key = max(key, len(k))
	}
	writes := len(c.Entries) + len(c.Puts) + len(c.Deletes) + ports.RewriteWrites*len(c.Rewrites)
	return errors.Join(
		within("commit of %d writes, at most %d fit; split it", writes, commitWrites),
		within("commit of %d bytes, at most %d fit; split it", total, commitBytes),
		within("value of %d bytes, at most %d fit; make it smaller", value, valueBytes),
		within("key of %d bytes, at most %d fit; make it shorter", key, keyBytes),
	)
}

func within(format string, got, most int) error {
	if got <= most {
		return nil
	}
	return fmt.Errorf(format+": %w", got, most, ports.ErrTooLarge)
}
