package memstore

import (
	"fmt"
	"iter"
	"sort"

	"github.com/tidwall/btree"

	"posthorn/ports"
)

// A reader is one snapshot. Nobody else writes to pairs, and nobody changes the part of the log that entries shows.
type reader struct {
	pairs   *btree.Map[string, []byte]
	entries []ports.Entry
	last    uint64
}

var _ ports.Reader = (*reader)(nil)

// Get returns a copy of the value.
func (r *reader) Get(key []byte) ([]byte, error) {
	value, ok := r.pairs.Get(string(key))
	if !ok {
		return nil, fmt.Errorf("get %q: %w", key, ports.ErrNotFound)
	}
	return append([]byte{}, value...), nil
}

// Scan walks the tree between the bounds.
func (r *reader) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	low, high, open := string(from), string(to), to == nil
	return func(yield func(ports.Pair, error) bool) {
		var p ports.Pair // reused, so that a caller that keeps a slice is found out here and not on disk
		step := func(key string, value []byte) bool {
			p.Key = append(p.Key[:0], key...)
			p.Value = append(p.Value[:0], value...)
			return yield(p, nil)
		}
		up := func(key string, value []byte) bool {
			return (open || key < high) && step(key, value)
		}
		down := func(key string, value []byte) bool {
			if !open && key == high {
				return true
			}
			return key >= low && step(key, value)
		}
		switch {
		case !reverse:
			r.pairs.Ascend(low, up)
		case open:
			r.pairs.Reverse(down)
		default:
			r.pairs.Descend(high, down)
		}
	}
}

// Entries walks the log.
func (r *reader) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	start := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].Last > after })
	return func(yield func(ports.Entry, error) bool) {
		var data []byte // reused, as in Scan
		for _, e := range r.entries[start:] {
			data = append(data[:0], e.Data...)
			e.Data = data
			if !yield(e, nil) {
				return
			}
		}
	}
}

// LastSeq returns the last event of the snapshot.
func (r *reader) LastSeq() (uint64, error) {
	return r.last, nil
}
