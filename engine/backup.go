package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"posthorn/engine/backup"
	"posthorn/engine/core"
	"posthorn/ports"
)

// Backup writes everything that the store holds at this moment, while the engine goes on: the log with its gaps, rows, vault and marks, secrets
// sealed as they are. With since, the outline of an earlier backup of this engine, it writes only what that one has not. The master key is not
// in it. It returns ErrConflict for the backup of another engine, ErrClosed when the engine stops meanwhile, and to's errors: what was written
// until then is no backup, and backup.Read refuses it. As long as it lasts the store keeps what it sees, and one chunk is in memory. It
// rests for as long as it works, to leave commands and calls the processors.
func (e *Engine) Backup(ctx context.Context, to io.Writer, since *backup.Outline) (backup.Summary, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-e.stopping:
			cancel(fmt.Errorf("the backup was given up, the engine is stopping: %w", ports.ErrClosed))
		case <-ctx.Done():
		}
	})
	defer watching.Wait()
	defer cancel(nil)
	return backUp(ctx, e.store, to, since, func(r ports.Reader) ports.Reader { return newResting(ctx, r) })
}

// Backup is Engine.Backup for the store of an engine that does not run.
func Backup(ctx context.Context, store ports.Store, to io.Writer, since *backup.Outline) (backup.Summary, error) {
	return backUp(ctx, store, to, since, func(r ports.Reader) ports.Reader { return r })
}

func backUp(
	ctx context.Context, store ports.Store, to io.Writer, since *backup.Outline, paced func(ports.Reader) ports.Reader,
) (made backup.Summary, err error) {
	err = store.View(ctx, func(r ports.Reader) error {
		if err := notRestoring(r); err != nil {
			return err
		}
		id, err := core.StoredEngine(r.Get)
		if err != nil {
			return err
		}
		if since != nil && since.Engine() != id {
			return fmt.Errorf("backup %s is refused as the one before: it is of engine %q, and this is %q: %w; make a full backup",
				since.Digest(), since.Engine(), id, ports.ErrConflict)
		}
		made, err = backup.Write(ctx, to, paced(r), backup.About{Engine: id, At: time.Now().UTC()}, since)
		return err
	})
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		err = cause // a view that did not begin tells less
	}
	if err != nil {
		return backup.Summary{}, fmt.Errorf("back up: %w", err)
	}
	return made, nil
}

// Restore puts the newest backup of a chain into a store that holds nothing. A mark stands in the store until it is done: an engine refuses what a
// crash has left, and it has to be restored again, into nothing. The engine that is opened then has the id of the one that was backed up.
func Restore(ctx context.Context, store ports.Store, chain *backup.Chain) (backup.Restored, error) {
	report, err := chain.Restore(ctx, store, core.RestoreMark())
	if err != nil {
		return report, fmt.Errorf("put a backup back: %w", err)
	}
	return report, nil
}

// notRestoring refuses a store that a backup was not wholly put back into.
func notRestoring(r ports.Reader) error {
	switch interrupted, err := marked(r, core.RestoreMark()); {
	case err != nil:
		return err
	case interrupted:
		return fmt.Errorf("a backup was being put back, and that was interrupted: %w; empty the directory, and run `posthorn restore` again", ports.ErrDamaged)
	}
	return nil
}
