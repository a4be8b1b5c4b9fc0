package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

const (
	// trustedStop is how much of the time of a stop counts for retention at once.
	trustedStop = 24 * time.Hour
	// trustedPace is how many times faster than time passes retention's own time may go.
	trustedPace = 2
	// saveTimeEvery is how much later its mark is written anew: each is a commit.
	saveTimeEvery = time.Hour
)

// pruneTime is the time that retention goes by: the engine's, but what that jumps ahead, by a clock that is set or a long stop, counts only as
// fast again as time passes. So a clock that is a month ahead for an hour makes nothing a month old, over restarts neither. It is for one
// goroutine.
type pruneTime struct {
	stopped time.Time // the last event before this start; zero for none
	at      time.Time // zero before the first look
	seen    time.Time // when that was, monotonic
	saved   time.Time // what the store's mark says
}

// now returns the time. The first time it reads the mark of the run before.
func (t *pruneTime) now(ctx context.Context, store ports.Store, c *clock) (time.Time, error) {
	engine, seen := c.now(), time.Now()
	trusted := t.at.Add(trustedPace * seen.Sub(t.seen))
	if t.at.IsZero() {
		since, err := t.resume(ctx, store)
		if err != nil {
			return time.Time{}, err
		}
		if trusted = since.Add(trustedStop); since.IsZero() {
			trusted = engine
		}
	}
	if t.at, t.seen = engine, seen; trusted.Before(engine) {
		t.at = trusted
	}
	return t.at, nil
}

// resume returns the time of the run before, as far as it is known: the mark's, or else that of the last event.
func (t *pruneTime) resume(ctx context.Context, store ports.Store) (since time.Time, err error) {
	since = t.stopped
	err = store.View(ctx, func(r ports.Reader) error {
		value, err := optional(r.Get(core.RetentionMark()))
		if err != nil || value == nil {
			return err
		}
		nanos, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return fmt.Errorf("the mark of retention %s is no time: %w; restore a backup", core.Show(string(value)), ports.ErrDamaged)
		}
		since = time.Unix(0, nanos).UTC()
		t.saved = since
		return nil
	})
	return since, err
}

// mark returns what is to be stored, if it is time.
func (t *pruneTime) mark() (mark ports.Pair, due bool) {
	return ports.Pair{Key: core.RetentionMark(), Value: strconv.AppendInt(nil, t.at.UnixNano(), 10)}, t.at.Sub(t.saved) >= saveTimeEvery
}
