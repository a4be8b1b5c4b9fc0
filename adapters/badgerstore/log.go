package badgerstore

import (
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// bitGap is the user meta of an entry that stands for removed ones, and holds no data. One gap covers all the events that were removed in a
// row, so what is left of them does not grow with their number; and with it the keys still cover the log without a hole, so that one
// tells damage, and the end of the log is known when all of it was removed.
const bitGap = 1

func isGap(item *badger.Item) bool { return item.UserMeta()&bitGap > 0 }

// A place is an entry's, or a gap's; the zero place is behind the end of the log.
type place struct {
	ports.Entry // without data

	gap bool
}

func (p place) holds(seq uint64) bool { return p.Last > 0 && p.First <= seq && seq <= p.Last }

// A cursor goes through the entries and gaps of the log in the order of their events. It is to be closed.
type cursor struct {
	it         *badger.Iterator
	prior, now place // now is what the iterator is at
}

func openLog(txn *badger.Txn) *cursor {
	return &cursor{it: txn.NewIterator(badger.IteratorOptions{Prefix: []byte{entryPrefix}})}
}

func (c *cursor) close() { c.it.Close() }

// item is what the cursor is at, until its next step.
func (c *cursor) item() *badger.Item { return c.it.Item() }

// cursorSteps is how many entries are passed one by one before the next is searched: a search costs as much as about so many steps.
const cursorSteps = 16

// find returns what holds seq, or what comes next where nothing does; it is for what is mostly asked for in the order of the log, close to
// each other. The cursor is at it, unless it lies before what was asked for last.
func (c *cursor) find(seq uint64) place {
	if c.prior.holds(seq) {
		return c.prior
	}
	if c.now.Last == 0 || seq < c.now.First {
		return c.seek(seq)
	}
	for range cursorSteps {
		if c.now.Last == 0 || seq <= c.now.Last {
			return c.now
		}
		c.next()
	}
	return c.seek(seq)
}

// gap returns the gap that holds seq, nil if none does.
func (c *cursor) gap(seq uint64) *ports.Entry {
	if p := c.find(seq); p.gap && p.holds(seq) {
		return &p.Entry
	}
	return nil
}

// next goes on to what follows, which is mostly the next key: a block ends once in many events.
func (c *cursor) next() place {
	c.prior = c.now
	c.it.Next()
	if c.read(); c.now.Last == 0 || blockOf(c.now.Last) != blockOf(c.prior.Last) {
		c.seek(c.prior.Last + 1)
	}
	return c.now
}

// seek goes to the first place that ends at seq or later. It is in the block of seq, or in the one after for what lies across both, unless a gap
// covers both: then it is the first of all stripes.
func (c *cursor) seek(seq uint64) place {
	for block := blockOf(seq); block <= blockOf(seq)+1; block++ {
		if c.search(max(seq, block*blockEvents)); c.now.Last > 0 && blockOf(c.now.Last) == block {
			return c.now
		}
	}
	first := place{}
	for stripe := range uint64(stripes) {
		c.it.Seek(stripeBound(stripe, seq))
		if c.read(); c.now.Last >= seq && (first.Last == 0 || c.now.Last < first.Last) {
			first = c.now
		}
	}
	if c.now = first; first.Last > 0 {
		c.search(first.Last)
	}
	return c.now
}

// search goes to the first key of seq's stripe that ends there or later, or to the first of a later stripe.
func (c *cursor) search(seq uint64) {
	c.it.Seek(entryBound(seq))
	c.read()
}

// read takes in what the iterator is at.
func (c *cursor) read() {
	c.now = place{}
	if c.it.Valid() {
		item := c.it.Item()
		c.now = place{Entry: parseEntry(item.Key()), gap: isGap(item)}
	}
}

// lastEvent returns the last event of the log, 0 if it has none.
func lastEvent(txn *badger.Txn) (last uint64) {
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true})
	defer it.Close()
	for stripe := range uint64(stripes) {
		it.Seek(stripeBound(stripe+1, 0))
		if it.ValidForPrefix([]byte{entryPrefix, byte(stripe)}) {
			last = max(last, parseEntry(it.Item().Key()).Last)
		}
	}
	return last
}

// walk yields the entries and gaps after an event, up to the log's last, and ErrDamaged where there is a hole. The cursor is at what it yields.
func (c *cursor) walk(after, last uint64) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		var previous ports.Entry
		for p := c.seek(after + 1); ; p = c.next() {
			err := follows(previous, p.Entry, after)
			if p.Last == 0 {
				err = hole(max(previous.Last, after)+1, last)
			}
			if !yield(p, err) || err != nil || p.Last >= last {
				return
			}
			previous = p.Entry
		}
	}
}

// follows says whether e is the next entry after previous, or the first one of a run that begins after the event after.
func follows(previous, e ports.Entry, after uint64) error {
	first := previous.Last + 1
	if previous.Last == 0 {
		first = min(after+1, e.First)
	}
	if e.First != first {
		return hole(first, e.First-1)
	}
	return nil
}

func hole(from, to uint64) error {
	return fmt.Errorf("the log misses the events %d to %d: %w", from, to, ports.ErrDamaged)
}
