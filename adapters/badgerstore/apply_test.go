package badgerstore

import (
	"errors"
	"testing"

	"posthorn/ports"
)

// TestEveryApplySyncs cannot see the disk: no test in a process can. It holds who syncs, and that each Apply is one transaction of
// Badger's.
func TestEveryApplySyncs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if o := s.db.Opts(); o.SyncWrites == syncsItself || o.InMemory {
		t.Errorf("Badger syncs writes: %v, and the store itself: %v; Badger lives in memory: %v", o.SyncWrites, syncsItself, o.InMemory)
	}
	fill(t, s, 1, 5)
	if err := s.Apply(t.Context(), ports.Commit{}); err != nil {
		t.Error(err) // nothing to sync
	}
	if err := s.Apply(t.Context(), numbered(9)); !errors.Is(err, ports.ErrOutOfOrder) {
		t.Error(err)
	}
	if got := s.Syncs(); got != 5 {
		t.Errorf("Syncs is %d, want 5", got)
	}
	if got := s.db.MaxVersion(); got != 5 {
		t.Errorf("Badger has %d commits, want 5", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestApplyAfterFailure lets a commit fail by closing Badger below it.
func TestApplyAfterFailure(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	fill(t, s, 1, 2)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	first := s.Apply(t.Context(), numbered(3))
	second := s.Apply(t.Context(), numbered(4)) // out of order, were it looked at
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("Apply returned %v, and then %v, want twice the same", first, second)
	}
	if s.Syncs() != 2 {
		t.Errorf("Syncs is %d, want 2", s.Syncs())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestApplyLongKeys holds the limit that ports.Limits does not name.
func TestApplyLongKeys(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	longest := ports.Pair{Key: make([]byte, keyBytes)}
	if err := s.Apply(t.Context(), ports.Commit{Puts: []ports.Pair{longest}}); err != nil {
		t.Error(err)
	}
	over := make([]byte, keyBytes+1)
	for _, c := range []ports.Commit{{Puts: []ports.Pair{{Key: over}}}, {Deletes: [][]byte{over}}} {
		if err := s.Apply(t.Context(), c); !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("Apply returned %v, want %v", err, ports.ErrTooLarge)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestApplyFillsItsLimits stores the commit that costs Badger most: as many bytes and entries as Limits allow.
func TestApplyFillsItsLimits(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var c ports.Commit
	for n := uint64(1); n <= commitWrites; n++ {
		c.Entries = append(c.Entries, ports.Entry{First: n, Last: n, Data: make([]byte, commitBytes/commitWrites)})
	}
	if err := s.Apply(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestViewKeepsItsCommit holds what compaction must spare: the number given to Badger never passes the oldest view.
func TestViewKeepsItsCommit(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	fill(t, s, 1, 3)
	err := s.View(t.Context(), func(ports.Reader) error {
		fill(t, s, 4, 6)
		if got := s.oldest(); got != 3 {
			t.Errorf("beside a view of commit 3 the oldest is %d", got)
		}
		return nil
	})
	fill(t, s, 7, 7)
	if got := s.oldest(); got != 7 || err != nil {
		t.Errorf("without a view the oldest is %d, want 7: %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
