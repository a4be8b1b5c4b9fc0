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
		interrupted, err := rebuilding(r)
		if interrupted {
			report.problem("a rebuild of the rows was interrupted; run `posthorn log rebuild` again")
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
	if err := verifyRows(ctx, store, scratch, &report); err != nil {
		return report, fmt.Errorf("verify rows: %w", err)
	}
	return report, nil
}

func verifyVault(ctx context.Context, store ports.Store, report *VerifyReport) error {
	codec := core.NewCodec()
	var last time.Time
	return store.View(ctx, func(r ports.Reader) error {
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
				verifyItem(r, rec, report)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

func verifyItem(r ports.Reader, rec core.Recorded, report *VerifyReport) {
	k, digest, ok := core.VaultItemOf(rec.Event)
	if !ok {
		return
	}
	report.VaultItems++
	if _, err := readVault(r, k, digest); err != nil {
		report.problem("event %d (%T): its vault item cannot be read: %v", rec.Seq, rec.Event, err)
	}
}

// verifyRows walks the rows of both stores side by side.
func verifyRows(ctx context.Context, store, scratch ports.Store, report *VerifyReport) error {
	from, to := core.RowRange()
	return store.View(ctx, func(r ports.Reader) error {
		return scratch.View(ctx, func(s ports.Reader) error {
			nextStored, stopStored := iter.Pull2(r.Scan(from, to, false))
			defer stopStored()
			nextFolded, stopFolded := iter.Pull2(s.Scan(from, to, false))
			defer stopFolded()
			stored, errStored, okStored := nextStored()
			folded, errFolded, okFolded := nextFolded()
			for okStored || okFolded {
				if err := errors.Join(errStored, errFolded, ctx.Err()); err != nil {
					return err
				}
				order := bytes.Compare(stored.Key, folded.Key)
				switch {
				case okStored && (!okFolded || order < 0):
					report.problem("row %s is stored, but the log does not give it", core.Show(string(stored.Key)))
				case okFolded && (!okStored || order > 0):
					report.problem("row %s is missing", core.Show(string(folded.Key)))
				case !bytes.Equal(stored.Value, folded.Value):
					report.problem("row %s differs from what the log gives", core.Show(string(stored.Key)))
				}
				stepStored := okStored && (!okFolded || order <= 0)
				stepFolded := okFolded && (!okStored || order >= 0)
				if stepStored {
					report.Rows++
					stored, errStored, okStored = nextStored()
				}
				if stepFolded {
					folded, errFolded, okFolded = nextFolded()
				}
			}
			return nil
		})
	})
}
