package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// View calls read with a snapshot of the last commit that was stored before. It waits for no Apply, and no Apply waits
// for it; but as long as it lasts, compaction keeps what it can see. An ended ctx stops it only before it begins.
func (s *Store) View(ctx context.Context, read func(ports.Reader) error) error {
	at, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	defer s.end(at)
	txn := s.db.NewTransactionAt(at.commit, false)
	defer txn.Discard()
	return read(&reader{txn: txn, last: at.last})
}

// A reader is one snapshot.
type reader struct {
	txn  *badger.Txn
	last uint64
}

var _ ports.Reader = (*reader)(nil)

// LastSeq returns the last event of the snapshot.
func (r *reader) LastSeq() (uint64, error) { return r.last, nil }

// Get returns a copy of the value.
func (r *reader) Get(key []byte) ([]byte, error) {
	item, err := r.txn.Get(pairKey(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, fmt.Errorf("get %q: %w", key, ports.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	return value, nil
}

// Scan walks the tree between the bounds.
func (r *reader) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	low, high := pairKey(from), []byte{pairPrefix + 1}
	if to != nil {
		high = pairKey(to)
	}
	return func(yield func(ports.Pair, error) bool) {
		for item := range items(r.txn, low, high, reverse) {
			if !yieldPair(item, yield) {
				return
			}
		}
	}
}

// yieldPair hands one item on, and says whether to go on.
func yieldPair(item *badger.Item, yield func(ports.Pair, error) bool) bool {
	key, more := item.Key()[1:], false
	err := item.Value(func(value []byte) error {
		more = yield(ports.Pair{Key: key, Value: value}, nil)
		return nil
	})
	if err != nil {
		yield(ports.Pair{}, fmt.Errorf("scan at %q: %w", key, err))
		return false
	}
	return more
}

// Entries walks the log over its gaps, and returns ErrDamaged where it has a hole that is none.
func (r *reader) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	return func(yield func(ports.Entry, error) bool) {
		if after >= r.last {
			return
		}
		log := openLog(r.txn)
		defer log.close()
		for p, err := range log.walk(after, r.last) {
			if err != nil {
				yield(ports.Entry{}, err)
				return
			}
			if !p.gap && !yieldEntry(p.Entry, log.item(), yield) {
				return
			}
		}
	}
}

func yieldEntry(e ports.Entry, item *badger.Item, yield func(ports.Entry, error) bool) bool {
	more := false
	err := item.Value(func(data []byte) error {
		e.Data = data
		more = yield(e, nil)
		return nil
	})
	if err != nil {
		yield(ports.Entry{}, fmt.Errorf("entry %d to %d: %w", e.First, e.Last, err))
		return false
	}
	return more
}

// commonPrefix is what all keys between two bounds begin with. Badger goes on until it finds a key that is there: without an end, the search of
// an empty range would pass over all that was deleted behind it.
func commonPrefix(low, high []byte) []byte {
	n := 0
	for n < min(len(low), len(high)) && low[n] == high[n] {
		n++
	}
	return low[:n]
}

// items yields what lies in low <= key < high, in key order or against it. An item is valid until the next step.
// Values are not fetched ahead: they lie in the tree, and Badger would start a goroutine for each.
func items(txn *badger.Txn, low, high []byte, reverse bool) iter.Seq[*badger.Item] {
	return func(yield func(*badger.Item) bool) {
		o, start := badger.IteratorOptions{Prefix: commonPrefix(low, high)}, low
		if reverse {
			o, start = badger.IteratorOptions{Reverse: true}, high // a reversed seek with a prefix would begin within it
		}
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Seek(start); it.Valid(); it.Next() {
			key := string(it.Item().Key())
			if reverse && key >= string(high) {
				continue // Seek begins at high itself, which is outside
			}
			if key < string(low) || key >= string(high) || !yield(it.Item()) {
				return
			}
		}
	}
}
