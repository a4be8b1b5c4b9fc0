package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Bounds of what waits for the writer.
const (
	maxAccepts     = 4096
	maxAcceptBytes = 32 << 20
	maxOutcomes    = 4096
	maxWait        = time.Second // an accept that has waited longer is refused: its caller has better things to do
	maxBatch       = 1024        // commands
	maxCached      = 16_384      // rows of open calls and webhooks, under 1 KiB each; at most twice as many are held
)

// A command is one decision waiting for its turn. decide is called by the writer, once or, where nothing could be stored, again; it
// reads the batch and returns what follows, or why the command is refused. After the commit err is set and done closed.
type command struct {
	decide  func(*batch) (core.Decision, error)
	by      *core.Actor   // who asked for it, nil where nobody did
	outcome *core.Outcome // set for outcomes: the lanes hear of it after the commit
	size    int           // bytes it holds while it waits
	queued  time.Time
	rows    func(rowReader) rowReader // lays what is known over a snapshot's rows, nil for nothing; only of one that is alone
	mark    ports.Pair                // stored with the batch, and no part of what the log folds to; without a key for none
	probe   bool                      // asks for an Apply even if there is nothing to store
	refusal error
	err     error
	done    chan struct{}
}

// A rowReader returns a row's bytes, or an error that matches ports.ErrNotFound.
type rowReader = func(key []byte) ([]byte, error)

// A batch is what a decision may look at: the rows with what the batch has changed so far, the webhooks, ids and the time.
type batch struct {
	*core.State
	*inputs
	reader ports.Reader
	index  *index
	kept   map[string][]byte // vault items of the batch, nil for one that it erases
}

func (b *batch) webhooks(company string) ([]core.Webhook, error) {
	return b.index.company(b.reader, company)
}

// routing returns what a company's messages are planned by, with the verdicts that are there.
func (b *batch) routing(company string, v core.Verdicts) (core.Routing, error) {
	webhooks, err := b.webhooks(company)
	return core.Routing{Webhooks: webhooks, Verdicts: v}, err
}

// listening returns the company's webhooks that asked for what the engine announces.
func (b *batch) listening(company string) ([]core.Webhook, error) {
	return b.index.listening(b.reader, company)
}

// vaulted returns the data of a vault item, the batch's own included.
func (b *batch) vaulted(k []byte, digest string) ([]byte, error) {
	if value, ok := b.kept[string(k)]; ok {
		if value == nil {
			return nil, fmt.Errorf("vault item %s was erased: %w", digest, ports.ErrNotFound)
		}
		return core.OpenVaultItem(value, digest)
	}
	return readVault(b.reader, k, digest)
}

// The writer is the one goroutine that decides and commits. Commands wait in two bounded queues; it takes what waits, decides each
// against one snapshot and the changes of the batch so far, and commits all of them in one Apply. Callers, lanes and followers hear of
// a batch after its commit, and only then: a crash before it leaves nothing, a crash after it loses only the answer.
type writer struct {
	store    ports.Store
	codec    *core.Codec
	inputs   *inputs
	index    *index
	rows     *core.Cache
	onCommit func(committed)

	accepts, outcomes chan *command
	lone              chan *command // each decided in a batch of its own
	waiting           atomic.Int64  // bytes of accepts
	closing           sync.RWMutex  // held for reading while a command is queued
	refuses           bool
	stop              chan struct{}

	seq  uint64
	last time.Time

	failed   chan struct{} // closed when a commit's outcome is unknown: nothing is written any more
	failure  error
	diskLow  atomic.Bool
	lastSeen atomic.Uint64 // seq, for readers
}

// committed is what the rest of the engine hears of a batch.
type committed struct {
	events   []core.Recorded
	dues     []core.Due
	outcomes []*core.Outcome
	commit   ports.Commit
	took     time.Duration
}

func (c committed) writes() int {
	return len(c.commit.Entries) + len(c.commit.Puts) + len(c.commit.Deletes)
}

func newWriter(store ports.Store, in *inputs, onCommit func(committed)) *writer {
	return &writer{
		store: store, codec: core.NewCodec(), inputs: in, index: newIndex(maxIndexed), rows: core.NewCache(maxCached), onCommit: onCommit,
		accepts: make(chan *command, maxAccepts), outcomes: make(chan *command, maxOutcomes),
		lone: make(chan *command), stop: make(chan struct{}), failed: make(chan struct{}),
	}
}

// accept queues a command and waits for its commit. It returns ErrOverloaded when too much waits. When ctx ends while it waits the
// command may still be committed.
func (w *writer) accept(ctx context.Context, size int, decide func(*batch) (core.Decision, error)) error {
	return w.submit(ctx, &command{decide: decide, size: size})
}

// submit is accept for a command that has more to it than a decision.
func (w *writer) submit(ctx context.Context, c *command) error {
	c.by, c.queued, c.done = actorOf(ctx), time.Now(), make(chan struct{})
	if err := w.queue(c); err != nil {
		return err
	}
	return c.wait(ctx)
}

func (w *writer) queue(c *command) error {
	w.closing.RLock()
	defer w.closing.RUnlock()
	if w.refuses {
		return fmt.Errorf("the engine is stopping: %w; send it again after the restart", ports.ErrClosed)
	}
	if w.waiting.Add(int64(c.size)) <= maxAcceptBytes || len(w.accepts) == 0 {
		select {
		case w.accepts <- c:
			return nil
		default:
		}
	}
	w.waiting.Add(-int64(c.size))
	return fmt.Errorf("too many commands wait for the disk: %w; send it again in a second", ports.ErrOverloaded)
}

// report queues an outcome; it waits for room, for outcomes are never refused.
func (w *writer) report(ctx context.Context, c *command) error {
	select {
	case w.outcomes <- c:
		return nil
	case <-w.failed:
		return w.failure
	case <-w.stop:
		return ports.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alone hands over a command that fills a batch by itself, and waits for its commit.
func (w *writer) alone(ctx context.Context, c *command) error {
	c.by, c.done = actorOf(ctx), make(chan struct{})
	select {
	case w.lone <- c:
		return c.wait(ctx)
	case <-w.failed:
		return w.failure
	case <-w.stop:
		return ports.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *command) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("the command may still be stored: %w; repeat it with its idempotency key", ctx.Err())
	}
}

func (c *command) finish(err error) {
	c.err = err
	close(c.done)
}

// broken tells whether nothing is written any more, and so nothing may be attempted.
func (w *writer) broken() bool {
	select {
	case <-w.failed:
		return true
	default:
		return false
	}
}

// refuseAccepts makes accept return ErrClosed from now on. Outcomes are still taken.
func (w *writer) refuseAccepts() {
	w.closing.Lock()
	w.refuses = true
	w.closing.Unlock()
}

// run is the writer's goroutine; it ends when stop is closed or a commit failed, and answers what still waits.
func (w *writer) run() {
	defer w.drain()
	for {
		first, alone, ok := w.next()
		if !ok {
			return
		}
		if !alone {
			gather(func() int { return len(w.accepts) + len(w.outcomes) })
		}
		if err := w.turn(first, alone); err != nil {
			w.failure = err
			close(w.failed)
			return
		}
	}
}

func (w *writer) next() (first *command, alone, ok bool) {
	select {
	case c := <-w.outcomes:
		return c, false, true
	case c := <-w.accepts:
		w.waiting.Add(-int64(c.size))
		return c, false, true
	case c := <-w.lone:
		return c, true, true
	case <-w.stop:
		return nil, false, false
	}
}

func (w *writer) drain() {
	w.refuseAccepts()
	err := fmt.Errorf("the engine has stopped: %w; send it again after the restart", ports.ErrClosed)
	if w.failure != nil {
		err = w.failure
	}
	for {
		select {
		case c := <-w.outcomes:
			c.finish(err)
		case c := <-w.accepts:
			c.finish(err)
		default:
			return
		}
	}
}

// turn decides and commits one batch, of the first command and what waits behind it, or of the first alone. Its error is final.
func (w *writer) turn(first *command, alone bool) error {
	began := time.Now()
	t := turn{writer: w, now: w.tick(), alone: alone}
	seen := false
	if err := w.store.View(context.Background(), func(r ports.Reader) error { seen = true; return t.decide(r, first) }); err != nil {
		if !seen {
			t.commands = append(t.commands, first) // it waits for an answer too
		}
		return t.fail(err)
	}
	commit, err := t.commit()
	if err != nil {
		return t.fail(err)
	}
	if len(commit.Entries)+len(commit.Puts)+len(commit.Deletes) == 0 && !t.probe {
		t.answer(nil)
		return nil
	}
	err = w.store.Apply(context.Background(), commit)
	w.diskLow.Store(errors.Is(err, ports.ErrDiskLow))
	switch {
	case errors.Is(err, ports.ErrDiskLow), errors.Is(err, ports.ErrTooLarge):
		w.index.forget() // nothing was stored, but index and rows had followed the batch
		w.rows.Forget()
		return t.refused(err)
	case err != nil:
		return t.fail(err)
	}
	w.seq, w.last = t.seq, t.now
	w.lastSeen.Store(w.seq)
	dues := t.dues()
	w.rows.Remember(t.state)
	w.onCommit(committed{
		events: t.events, dues: dues, outcomes: t.reported(), commit: commit, took: time.Since(began),
	})
	t.answer(nil)
	return nil
}

// tick returns the batch's time in whole milliseconds: never before the last event's, even if the clock has been set back.
func (w *writer) tick() time.Time {
	now := w.inputs.clock.now().Truncate(time.Millisecond)
	if now.Before(w.last) {
		now = w.last
	}
	w.inputs.now = now
	return now
}
