package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// maxProblems is how many problems a report spells out; it counts the rest.
const maxProblems = 50

// A VerifyReport says what was checked and what is wrong.
type VerifyReport struct {
	Entries uint64 `json:"entries"`
	Events  uint64 `json:"events"`
	Rows    uint64 `json:"rows"`
	// VaultItems counts the items that the log names, all checked by their digests.
	VaultItems uint64 `json:"vaultItems"`
	// Problems are the first 50, Count is how many there are.
	Problems []string `json:"problems"`
	Count    uint64   `json:"problemCount"`
}

// OK tells whether nothing is wrong.
func (r *VerifyReport) OK() bool { return r.Count == 0 }

func (r *VerifyReport) problem(format string, args ...any) {
	if r.Count++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify checks a store that no engine runs over: the log has no gap and can be read, its times never go back, every row is what the log
// folds to, and every vault item that the log names is there and is what was written. It folds into scratch, which must be empty and
// is the caller's to discard; the store itself is not written. What is wrong stands in the report; an error means that the
// check could not be finished.
func Verify(ctx context.Context, store, scratch ports.Store) (VerifyReport, error) {
	var report VerifyReport
	var folded RebuildReport
	err := store.View(ctx, func(r ports.Reader) error {
		err := whole(r)
		if errors.Is(err, ports.ErrDamaged) {
			report.problem("%v", err)
			return nil
		}
		return err
	})
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	switch err := foldLog(ctx, store, scratch, &folded); {
	case errors.Is(err, ports.ErrDamaged):
		report.problem("%v", err)
		return report, nil
	case err != nil:
		return report, fmt.Errorf("verify: fold the log: %w", err)
	}
	report.Entries, report.Events = folded.Entries, folded.Events
	if err := verifyVault(ctx, store, &report); err != nil {
		return report, fmt.Errorf("verify vault: %w", err)
	}
	if err := verifySealed(ctx, scratch, store, &report); err != nil {
		return report, fmt.Errorf("verify sealed secrets: %w", err)
	}
	if err := verifyRows(ctx, store, scratch, &report); err != nil {
		return report, fmt.Errorf("verify rows: %w", err)
	}
	return report, nil
}

func verifyVault(ctx context.Context, store ports.Store, report *VerifyReport) error {
	codec := core.NewCodec()
	var last time.Time
	return store.View(ctx, func(r ports.Reader) error {
		working, err := erasing(r)
		if err != nil {
			return err
		}
		for entry, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			recorded, err := codec.Decode(entry)
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if rec.At.Before(last) {
					report.problem("event %d is of %s, before the event ahead of it", rec.Seq, rec.At.Format(time.RFC3339Nano))
				}
				last = rec.At
				if err := verifyItem(r, rec, working, report); err != nil {
					return err
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// verifyItem checks that what an event names is there, or else was erased; working says that a job is erasing.
func verifyItem(r ports.Reader, rec core.Recorded, working bool, report *VerifyReport) error {
	k, digest, ok := core.VaultItemOf(rec.Event)
	if !ok || core.IsSealed(rec.Event) {
		return nil
	}
	erased, err := core.Erased(r.Get, rec.Event)
	if err != nil {
		return err
	}
	report.VaultItems++
	switch _, err := readVault(r, k, digest); {
	case erased && errors.Is(err, ports.ErrNotFound), erased && working:
	case err != nil:
		report.problem("event %d (%T): its vault item cannot be read: %v", rec.Seq, rec.Event, err)
	case erased:
		report.problem("event %d (%T): its vault item was erased, and is still there", rec.Seq, rec.Event)
	}
	return nil
}

// erasing tells whether a job that erases is under way.
func erasing(r ports.Reader) (bool, error) {
	from, to := core.JobRange()
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return false, err
		}
		job, err := core.ParseJob(pair)
		if err != nil || job.Erase != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// verifyRows walks the rows of both stores side by side.
func verifyRows(ctx context.Context, store, scratch ports.Store, report *VerifyReport) error {
	return store.View(ctx, func(r ports.Reader) error {
		return scratch.View(ctx, func(s ports.Reader) error {
			stored, folded := walkRows(r), walkRows(s)
			defer stored.stop()
			defer folded.stop()
			for stored.ok || folded.ok {
				if err := errors.Join(stored.err, folded.err, ctx.Err()); err != nil {
					return err
				}
				compareRows(stored, folded, report)
			}
			return nil
		})
	})
}

// compareRows looks at the smaller key of both, and steps past it.
func compareRows(stored, folded *walk, report *VerifyReport) {
	order := bytes.Compare(stored.pair.Key, folded.pair.Key)
	switch {
	case !folded.ok || stored.ok && order < 0:
		report.problem("row %s is stored, but the log does not give it", core.Show(string(stored.pair.Key)))
		report.Rows++
		stored.step()
	case !stored.ok || order > 0:
		report.problem("row %s is missing", core.Show(string(folded.pair.Key)))
		folded.step()
	default:
		if !bytes.Equal(stored.pair.Value, folded.pair.Value) {
			report.problem("row %s differs from what the log gives", core.Show(string(stored.pair.Key)))
		}
		report.Rows++
		stored.step()
		folded.step()
	}
}

// A walk goes through the rows of a snapshot; ok is false behind the last.
type walk struct {
	pair ports.Pair
	err  error
	ok   bool
	next func() (ports.Pair, error, bool)
	stop func()
}

func walkRows(r ports.Reader) *walk {
	from, to := core.RowRange()
	w := &walk{}
	w.next, w.stop = iter.Pull2(r.Scan(from, to, false))
	w.step()
	return w
}

func (w *walk) step() { w.pair, w.err, w.ok = w.next() }
