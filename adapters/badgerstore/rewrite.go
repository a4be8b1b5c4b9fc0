package badgerstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// A removal is an entry that goes, with the gaps that lie directly beside it, nil where there is none.
type removal struct {
	ports.Entry

	before, after *ports.Entry
}

// rewrite fills the transaction with what becomes of entries that are stored at the snapshot.
func (s *Store) rewrite(txn *badger.Txn, at snapshot, rewrites []ports.Entry) error {
	if len(rewrites) == 0 {
		return nil
	}
	rewrites = slices.SortedFunc(slices.Values(rewrites), func(a, b ports.Entry) int { return cmp.Compare(a.First, b.First) })
	now := s.db.NewTransactionAt(at.commit, false) // an iterator of txn itself would sort all its writes
	defer now.Discard()
	log := openLog(now)
	defer log.close()
	var removed []removal
	for i, e := range rewrites {
		before := log.gap(e.First - 1)
		found := log.find(e.Last)
		switch {
		case i > 0 && rewrites[i-1].First == e.First:
			return fmt.Errorf("entry %d to %d: %w; rewrite it once", e.First, e.Last, errTwice)
		case found.gap || !found.holds(e.Last) || found.First != e.First || found.Last != e.Last:
			return fmt.Errorf("entry %d to %d to be rewritten: %w", e.First, e.Last, ports.ErrNotFound)
		case e.Data == nil:
			s.reclaimer.add(log.item(), at, 1)
			removed = append(removed, removal{Entry: e, before: before, after: log.gap(e.Last + 1)})
		default:
			if err := txn.Set(entryKey(e), e.Data); err != nil {
				return fmt.Errorf("rewrite entry %d to %d: %w", e.First, e.Last, err)
			}
		}
	}
	return writeGaps(txn, removed)
}

// writeGaps removes entries that are stored, in the order of the log, joined with each other and the gaps beside them.
func writeGaps(txn *badger.Txn, removed []removal) error {
	for i := 0; i < len(removed); {
		var gap ports.Entry
		var errs []error
		join := func(e *ports.Entry) {
			if e == nil {
				return
			}
			if gap.Last == 0 {
				gap.First = e.First
			}
			gap.Last = e.Last
			errs = append(errs, txn.Delete(entryKey(*e)))
		}
		join(removed[i].before)
		for ; i < len(removed) && (gap.Last == 0 || removed[i].First == gap.Last+1); i++ {
			join(&removed[i].Entry)
			join(removed[i].after)
		}
		errs = append(errs, txn.SetEntry(badger.NewEntry(entryKey(gap), nil).WithMeta(bitGap)))
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("remove the entries %d to %d: %w", gap.First, gap.Last, err)
		}
	}
	return nil
}
