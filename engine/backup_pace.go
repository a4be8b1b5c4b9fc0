package engine

import (
	"context"
	"iter"
	"time"

	"posthorn/ports"
)

// restBytes is how much is read between two rests.
const restBytes = 128 << 10

// A resting reader rests for as long as it has worked, so that what reads a whole store beside a running engine leaves it the processors for half
// of the time. Memory and disk have no hurry here; commands have.
type resting struct {
	ports.Reader

	ctx   context.Context //nolint:containedctx // of the one view
	read  int
	since time.Time // when the work began that was not rested from
}

func newResting(ctx context.Context, r ports.Reader) *resting {
	return &resting{Reader: r, ctx: ctx, since: time.Now()}
}

// Scan implements ports.Reader.
func (r *resting) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	return func(yield func(ports.Pair, error) bool) {
		for pair, err := range r.Reader.Scan(from, to, reverse) {
			if !yield(pair, err) {
				return
			}
			r.count(len(pair.Key) + len(pair.Value))
		}
	}
}

// Entries implements ports.Reader.
func (r *resting) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	return func(yield func(ports.Entry, error) bool) {
		for entry, err := range r.Reader.Entries(after) {
			if !yield(entry, err) {
				return
			}
			r.count(len(entry.Data))
		}
	}
}

// count rests when there was enough work. An ended context ends the rest, and whoever reads sees it.
func (r *resting) count(bytes int) {
	if r.read += bytes; r.read < restBytes {
		return
	}
	if worked := time.Since(r.since); worked > 0 { // in fake time, work takes none
		rest := time.NewTimer(worked)
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-r.ctx.Done():
		}
	}
	r.read, r.since = 0, time.Now()
}
