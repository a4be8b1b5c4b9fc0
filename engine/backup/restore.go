package backup

import (
	"bytes"
	"context"
	"fmt"

	"posthorn/ports"
)

// Restored says what was put back.
type Restored struct {
	About

	Digest  Digest `json:"digest"`
	Pairs   uint64 `json:"pairs"`
	Entries uint64 `json:"entries"`
	// Gaps counts the places of the log from which entries had been removed.
	Gaps uint64 `json:"gaps"`
}

// Restore puts the newest backup of the chain into a store that holds nothing, in commits within its limits. mark is a key that stands in the
// store from the first commit until the last: beside it the store is not whole, and whoever opens it must look. It returns
// ports.ErrConflict for a store that holds something, which is left as it is.
func (c *Chain) Restore(ctx context.Context, store ports.Store, mark []byte) (Restored, error) {
	report := Restored{About: c.last.about, Digest: c.last.digest}
	if err := empty(ctx, store); err != nil {
		return report, err
	}
	if err := store.Apply(ctx, ports.Commit{Puts: []ports.Pair{{Key: mark, Value: []byte(c.last.digest.String())}}}); err != nil {
		return report, err
	}
	l := &loader{ctx: ctx, store: store, limits: store.Limits(), report: &report}
	err := c.contents(func(p ports.Pair) error {
		if bytes.Equal(p.Key, mark) {
			return refused("it was made of a store that was not whole")
		}
		return l.pair(p)
	}, l.entry)
	if err != nil {
		return report, err
	}
	return report, l.end(mark)
}

// empty refuses a store that holds anything.
func empty(ctx context.Context, store ports.Store) error {
	return store.View(ctx, func(r ports.Reader) error {
		last, err := r.LastSeq()
		if err != nil {
			return err
		}
		for _, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			last = max(last, 1)
			break
		}
		if last > 0 {
			return fmt.Errorf("the store is refused: it holds something, and a backup is put back into nothing: %w; name an empty directory", ports.ErrConflict)
		}
		return nil
	})
}

// A loader fills a store.
type loader struct {
	ctx    context.Context //nolint:containedctx // of the one call of Restore
	store  ports.Store
	limits ports.Limits
	report *Restored

	commit        ports.Commit
	bytes, writes int
	last          uint64        // the last event that the commits hold
	gaps          []ports.Entry // that the commit fills, for now
}

func (l *loader) pair(p ports.Pair) error {
	if err := l.room(len(p.Key) + len(p.Value)); err != nil {
		return err
	}
	l.commit.Puts = append(l.commit.Puts, p)
	l.report.Pairs++
	return nil
}

func (l *loader) entry(e ports.Entry) error {
	if err := l.gap(e.First); err != nil {
		return err
	}
	if err := l.append(e); err != nil {
		return err
	}
	l.report.Entries++
	return nil
}

// gap leaves out the events before the next one: a log has no holes, so something is put there, and removed as a store removes entries.
func (l *loader) gap(next uint64) error {
	if next == l.last+1 {
		return nil
	}
	filling := ports.Entry{First: l.last + 1, Last: next - 1, Data: []byte("gap")}
	if err := l.append(filling); err != nil {
		return err
	}
	l.gaps = append(l.gaps, filling)
	l.report.Gaps++
	return nil
}

func (l *loader) append(e ports.Entry) error {
	if err := l.room(len(e.Data)); err != nil {
		return err
	}
	l.commit.Entries = append(l.commit.Entries, e)
	l.last = e.Last
	return nil
}

// room makes the commit if the next write would not fit.
func (l *loader) room(size int) error {
	if l.writes+1 > l.limits.CommitWrites || l.bytes+size > l.limits.CommitBytes {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.writes++
	l.bytes += size
	return nil
}

// flush makes the commit, and then takes away what stands in gaps: a commit rewrites only what an earlier one has stored.
func (l *loader) flush() error {
	if err := l.apply(l.commit); err != nil {
		return err
	}
	for most := l.limits.CommitWrites / ports.RewriteWrites; len(l.gaps) > 0; {
		some := l.gaps[:min(most, len(l.gaps))]
		for i := range some {
			some[i].Data = nil
		}
		if err := l.apply(ports.Commit{Rewrites: some}); err != nil {
			return err
		}
		l.gaps = l.gaps[len(some):]
	}
	l.commit, l.gaps, l.bytes, l.writes = ports.Commit{}, nil, 0, 0
	return nil
}

func (l *loader) apply(c ports.Commit) error {
	if err := l.store.Apply(l.ctx, c); err != nil {
		return fmt.Errorf("restore up to event %d: %w", l.last, err)
	}
	return nil
}

// end brings the log to its last event, and takes the mark away when all else is stored.
func (l *loader) end(mark []byte) error {
	if err := l.gap(l.report.LastSeq + 1); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	return l.apply(ports.Commit{Deletes: [][]byte{mark}})
}
