package badgerstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// bitGap is the user meta of an entry that stands for removed ones, and holds no data. One gap covers all the events that were removed in a
// row, so what is left of them does not grow with their number; and with it the keys still cover the log without a hole, so that one
// tells damage, and the end of the log is known when all of it was removed.
const bitGap = 1

func isGap(item *badger.Item) bool { return item.UserMeta()&bitGap > 0 }

// rewrite fills the transaction with what becomes of entries that are stored at the snapshot.
func (s *Store) rewrite(txn *badger.Txn, at snapshot, rewrites []ports.Entry) error {
	if len(rewrites) == 0 {
		return nil
	}
	rewrites = slices.SortedFunc(slices.Values(rewrites), func(a, b ports.Entry) int { return cmp.Compare(a.First, b.First) })
	now := s.db.NewTransactionAt(at.commit, false) // an iterator of txn itself would sort all its writes
	defer now.Discard()
	log := now.NewIterator(badger.IteratorOptions{Prefix: []byte{entryPrefix}})
	defer log.Close()
	var gaps []ports.Entry
	for i, e := range rewrites {
		switch found, gap := seekEntry(log, e.Last); {
		case i > 0 && rewrites[i-1].First == e.First:
			return fmt.Errorf("entry %d to %d: %w; rewrite it once", e.First, e.Last, errTwice)
		case gap || found.First != e.First || found.Last != e.Last:
			return fmt.Errorf("entry %d to %d to be rewritten: %w", e.First, e.Last, ports.ErrNotFound)
		case e.Data == nil:
			s.reclaimer.add(log.Item(), at, 1)
			gaps = append(gaps, e)
		default:
			if err := txn.Set(entryKey(e), e.Data); err != nil {
				return fmt.Errorf("rewrite entry %d to %d: %w", e.First, e.Last, err)
			}
		}
	}
	return writeGaps(txn, log, gaps)
}

// seekEntry returns the entry that holds seq, and whether it is a gap.
func seekEntry(log *badger.Iterator, seq uint64) (e ports.Entry, gap bool) {
	if log.Seek(entryBound(seq)); !log.Valid() {
		return e, false
	}
	return parseEntry(log.Item().Key()), isGap(log.Item())
}

// writeGaps removes entries that are stored, in the order of the log, joined with each other and the gaps beside them.
func writeGaps(txn *badger.Txn, log *badger.Iterator, removed []ports.Entry) error {
	for i := 0; i < len(removed); {
		gap, old := removed[i], [][]byte{}
		if before, is := seekEntry(log, gap.First-1); is && before.Last == gap.First-1 {
			gap.First, old = before.First, append(old, entryKey(before))
		}
		for {
			if i < len(removed) && removed[i].First <= gap.Last+1 {
				gap.Last, old = removed[i].Last, append(old, entryKey(removed[i]))
				i++
				continue
			}
			after, is := seekEntry(log, gap.Last+1)
			if !is || after.First != gap.Last+1 {
				break
			}
			gap.Last, old = after.Last, append(old, entryKey(after))
		}
		if err := writeGap(txn, gap, old); err != nil {
			return fmt.Errorf("remove the entries %d to %d: %w", gap.First, gap.Last, err)
		}
	}
	return nil
}

func writeGap(txn *badger.Txn, gap ports.Entry, old [][]byte) error {
	var errs []error
	for _, key := range old {
		errs = append(errs, txn.Delete(key))
	}
	return errors.Join(append(errs, txn.SetEntry(badger.NewEntry(entryKey(gap), nil).WithMeta(bitGap)))...)
}
