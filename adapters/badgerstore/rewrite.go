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
	log := &cursor{it: now.NewIterator(badger.IteratorOptions{Prefix: []byte{entryPrefix}})}
	defer log.it.Close()
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
			s.reclaimer.add(log.it.Item(), at, 1)
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

// cursorSteps is how many entries a cursor passes one by one before it searches: a search costs as much as about so many steps.
const cursorSteps = 16

// A cursor finds entries that are mostly asked for in the order of the log, close to each other.
type cursor struct {
	it         *badger.Iterator
	prior, now place // now is what the iterator is at
}

// A place is an entry's, or a gap's; nothing is behind the end of the log.
type place struct {
	ports.Entry

	gap bool
}

func (p place) holds(seq uint64) bool { return p.Last > 0 && p.First <= seq && seq <= p.Last }

// find returns what holds seq, or what comes next where nothing does. The iterator is at it, unless it lies before what was asked for last.
func (c *cursor) find(seq uint64) place {
	if c.prior.holds(seq) {
		return c.prior
	}
	if c.now.Last == 0 || seq < c.now.First {
		return c.search(seq)
	}
	for range cursorSteps {
		if seq <= c.now.Last {
			return c.now
		}
		if c.it.Next(); !c.read() {
			return c.now
		}
	}
	return c.search(seq)
}

func (c *cursor) search(seq uint64) place {
	c.it.Seek(entryBound(seq))
	c.now = place{}
	c.read()
	return c.now
}

// read takes in what the iterator is at; ok is false at its end.
func (c *cursor) read() (ok bool) {
	c.prior, c.now = c.now, place{}
	if ok = c.it.Valid(); ok {
		c.now = place{Entry: parseEntry(c.it.Item().Key()), gap: isGap(c.it.Item())}
	}
	return ok
}

// gap returns the gap that holds seq, nil if none does.
func (c *cursor) gap(seq uint64) *ports.Entry {
	if p := c.find(seq); p.gap && p.holds(seq) {
		return &p.Entry
	}
	return nil
}
