package engine

import (
	"context"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A stopped engine's store takes commands that call nobody: each is decided and committed at once, as the writer does it, in the goroutine
// of who asks. One at a time may ask.
type stopped struct{ writer *writer }

// newStopped takes up the log's end. The store stays the caller's, who holds its lock.
func newStopped(ctx context.Context, store ports.Store) (stopped, error) {
	w := newWriter(store, newInputs(nil, newClock(time.Now)), func(committed) {})
	err := store.View(ctx, func(r ports.Reader) error {
		if err := whole(r); err != nil {
			return err
		}
		return w.resume(r)
	})
	return stopped{w}, err
}

// accept decides and commits one command.
func (s stopped) accept(ctx context.Context, _ int, decide func(*batch) (core.Decision, error)) error {
	return s.submit(ctx, &command{decide: decide})
}

func (s stopped) submit(ctx context.Context, c *command) error {
	c.by, c.done = actorOf(ctx), make(chan struct{})
	if err := s.writer.turn(c, true); err != nil {
		return err
	}
	return c.wait(ctx)
}
