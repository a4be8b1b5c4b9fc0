package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A RebuildReport says what a rebuild has folded.
type RebuildReport struct {
	Entries uint64 `json:"entries"`
	Events  uint64 `json:"events"`
	// Dropped counts the rows that were thrown away, Rows those that the log gave.
	Dropped uint64 `json:"dropped"`
	Rows    uint64 `json:"rows"`
}

// Rebuild throws all rows away and folds them again from the log. No engine may run over the store. A mark stands in the store until it
// is done: after a crash an engine refuses to open it, and Rebuild begins anew.
func Rebuild(ctx context.Context, store ports.Store) (RebuildReport, error) {
	var report RebuildReport
	mark := core.RebuildMark()
	if err := store.Apply(ctx, ports.Commit{Puts: []ports.Pair{{Key: mark, Value: []byte("1")}}}); err != nil {
		return report, fmt.Errorf("rebuild rows: %w", err)
	}
	if err := dropRows(ctx, store, &report); err != nil {
		return report, fmt.Errorf("rebuild rows: drop the old ones: %w", err)
	}
	if err := foldLog(ctx, store, store, &report); err != nil {
		return report, fmt.Errorf("rebuild rows: %w", err)
	}
	if err := countRows(ctx, store, &report.Rows); err != nil {
		return report, fmt.Errorf("rebuild rows: count them: %w", err)
	}
	if err := store.Apply(ctx, ports.Commit{Deletes: [][]byte{mark}}); err != nil {
		return report, fmt.Errorf("rebuild rows: %w", err)
	}
	return report, nil
}

func dropRows(ctx context.Context, store ports.Store, report *RebuildReport) error {
	from, to := core.RowRange()
	for {
		var keys [][]byte
		err := store.View(ctx, func(r ports.Reader) error {
			for pair, err := range r.Scan(from, to, false) {
				if err != nil || len(keys) >= min(4096, store.Limits().CommitWrites) {
					return err
				}
				keys = append(keys, append([]byte(nil), pair.Key...))
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := store.Apply(ctx, ports.Commit{Deletes: keys}); err != nil {
			return err
		}
		report.Dropped += uint64(len(keys))
		from = slices.Concat(keys[len(keys)-1], []byte{0}) // never through what has just been deleted
	}
}

// foldLog folds the log of one store into the rows of another, which may be the same, in commits of bounded size.
func foldLog(ctx context.Context, from, into ports.Store, report *RebuildReport) error {
	codec := core.NewCodec()
	for after, done := uint64(0), false; !done; {
		var commit ports.Commit
		err := into.View(ctx, func(rows ports.Reader) error {
			state := core.NewState(rows.Get)
			var err error
			if after, done, err = foldSome(ctx, from, codec, state, after, into.Limits().CommitWrites/2, report); err != nil {
				return err
			}
			commit.Puts, commit.Deletes, err = state.Changes()
			return err
		})
		if err != nil {
			return err
		}
		if err := into.Apply(ctx, commit); err != nil {
			return fmt.Errorf("store rows up to event %d: %w", after, err)
		}
	}
	return checkGone(ctx, from, into, report.Events)
}

// checkGone holds the log to what retention says it has taken from it: whatever else is missing was lost.
func checkGone(ctx context.Context, log, rows ports.Store, events uint64) error {
	var last, pruned uint64
	err := log.View(ctx, func(r ports.Reader) (err error) {
		last, err = r.LastSeq()
		return err
	})
	if err != nil {
		return err
	}
	err = rows.View(ctx, func(r ports.Reader) error {
		value, err := optional(r.Get(core.PrunedKey()))
		if err != nil || value == nil {
			return err
		}
		pruned, err = core.ParsePruned(ports.Pair{Key: core.PrunedKey(), Value: value})
		return err
	})
	if err == nil && last-events != pruned {
		err = fmt.Errorf("the log has %d of %d events, and retention took %d: %w; restore a backup", events, last, pruned, ports.ErrDamaged)
	}
	return err
}

// foldSome folds entries after a seq into state until it holds most rows or the log is at its end.
func foldSome(
	ctx context.Context, from ports.Store, codec *core.Codec, state *core.State, after uint64, most int, report *RebuildReport,
) (last uint64, done bool, err error) {
	last, done = after, true
	err = from.View(ctx, func(r ports.Reader) error {
		bytes := 0
		for entry, err := range r.Entries(after) {
			if err != nil {
				return err
			}
			// Rows are about as large as the events they come from.
			if bytes += len(entry.Data); state.Writes() >= most || bytes > from.Limits().CommitBytes/4 && last > after {
				done = false
				return nil
			}
			if entry.First <= last {
				return fmt.Errorf("the log goes from event %d back to %d: %w; restore a backup", last, entry.First, ports.ErrDamaged)
			}
			recorded, err := codec.Decode(entry)
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if err := state.Fold(rec); err != nil {
					return err
				}
			}
			last = entry.Last
			report.Entries++
			report.Events += uint64(len(recorded))
		}
		return ctx.Err()
	})
	return last, done, err
}

func countRows(ctx context.Context, store ports.Store, count *uint64) error {
	return store.View(ctx, func(r ports.Reader) error {
		from, to := core.RowRange()
		for _, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			*count++
		}
		return nil
	})
}

// whole refuses a store that something was interrupted in that has to be done again before an engine may run over it.
func whole(r ports.Reader) error {
	if err := notRestoring(r); err != nil {
		return err
	}
	switch interrupted, err := marked(r, core.RebuildMark()); {
	case err != nil:
		return err
	case interrupted:
		return fmt.Errorf("a rebuild of the rows was interrupted: %w; run `posthorn log rebuild` again", ports.ErrDamaged)
	}
	return nil
}

// marked tells whether a mark stands in the store.
func marked(r ports.Reader, mark []byte) (bool, error) {
	_, err := r.Get(mark)
	if errors.Is(err, ports.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
