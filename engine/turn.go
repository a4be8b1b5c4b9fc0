package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A turn is one batch on its way through the writer.
type turn struct {
	*writer
	now      time.Time
	state    *core.State
	seq      uint64
	events   []core.Recorded
	entries  []ports.Entry
	vault    []ports.Pair
	marks    []ports.Pair
	rewrites []ports.Entry
	forgets  [][]byte          // vault items
	kept     map[string][]byte // the vault items by key
	bytes    int
	commands []*command // those decided on, in order
	probe    bool
	alone    bool // takes no more commands
}

// decide takes commands while there are any and the batch has room. Outcomes go first, for they free what is held for them; but
// accepts get at least a quarter of the batch.
func (t *turn) decide(r ports.Reader, first *command) error {
	b := t.begin(r, first.rows)
	outcomes := 0
	for c := first; c != nil; {
		if c.outcome != nil {
			outcomes++
		}
		if err := t.one(b, c); err != nil {
			return err
		}
		c = t.take(outcomes)
	}
	return nil
}

// begin lays the batch over a snapshot, and over what is known of its rows beside it.
func (t *turn) begin(r ports.Reader, over func(rowReader) rowReader) *batch {
	t.seq = t.writer.seq
	t.index.begin()
	read := r.Get
	if over != nil {
		read = over(read)
	}
	t.state = core.NewState(read).WithCache(t.rows)
	waiting := min(1+len(t.accepts)+len(t.outcomes), maxBatch) // most batches take all that waits
	t.commands = make([]*command, 0, waiting)
	t.entries = make([]ports.Entry, 0, waiting)
	t.events = make([]core.Recorded, 0, 3*waiting) // of a candidate with one call; an outcome has two
	t.kept = map[string][]byte{}
	return &batch{State: t.state, inputs: t.inputs, reader: r, index: t.index, kept: t.kept}
}

func (t *turn) take(outcomes int) *command {
	if t.alone || len(t.commands) >= maxBatch || t.filled(1, 2) {
		return nil
	}
	if outcomes >= maxBatch*3/4 || t.filled(3, 8) {
		if c := t.takeAccept(); c != nil {
			return c
		}
	}
	select {
	case c := <-t.outcomes:
		return c
	default:
		return t.takeAccept()
	}
}

func (t *turn) takeAccept() *command {
	select {
	case c := <-t.accepts:
		t.waiting.Add(-int64(c.size))
		return c
	default:
		return nil
	}
}

// filled tells whether the batch has reached a share of what one commit may hold.
func (t *turn) filled(part, of int) bool {
	limits := t.store.Limits()
	writes := t.state.Writes() + len(t.vault) + len(t.forgets) + ports.RewriteWrites*len(t.rewrites)
	return t.bytes > limits.CommitBytes*part/of || writes > limits.CommitWrites*part/of
}

// one runs a command's decision and folds it into the batch. A refused command leaves nothing, and is answered with the batch, for what it
// was refused for may not be stored yet; an error is one that the whole batch cannot go on from.
func (t *turn) one(b *batch, c *command) error {
	t.probe = t.probe || c.probe
	if c.mark.Key != nil {
		t.marks = append(t.marks, c.mark)
	}
	if c.outcome == nil && !c.queued.IsZero() && time.Since(c.queued) > maxWait {
		c.refusal = fmt.Errorf("the command waited more than %s: %w; send it again in a second", maxWait, ports.ErrOverloaded)
		t.commands = append(t.commands, c)
		return nil
	}
	d, refusal := c.decide(b)
	c.refusal = refusal
	t.commands = append(t.commands, c)
	if len(d.Events) == 0 { // refused, or nothing that is told of
		for _, k := range d.Forget {
			t.forget(k)
		}
		return nil
	}
	return t.fold(b, c.by, d)
}

// fold takes a decision into the batch, and what is to be announced of it: one entry, by whom it was asked for.
func (t *turn) fold(b *batch, by *core.Actor, d core.Decision) error {
	first := t.seq + 1
	if err := t.foldEvents(b, by, d.Events); err != nil {
		return err
	}
	told, err := core.Announce(t.state, b, t.now, d.Events, b.listening)
	if err != nil {
		return err
	}
	if err := t.foldEvents(b, by, told.Events); err != nil {
		return err
	}
	d.Events, d.Vault = append(d.Events, told.Events...), append(d.Vault, told.Vault...)
	data, err := t.codec.Encode(t.now, by, d.Events)
	if err != nil {
		return err
	}
	t.entries = append(t.entries, ports.Entry{First: first, Last: t.seq, Data: data})
	t.vault = append(t.vault, d.Vault...)
	t.bytes += len(data) + rowBytes*len(d.Events)
	for _, v := range d.Vault {
		t.bytes += len(v.Key) + len(v.Value)
		t.kept[string(v.Key)] = v.Value
	}
	for _, k := range d.Forget {
		t.forget(k)
	}
	t.rewrites = append(t.rewrites, d.Rewrites...)
	for _, e := range d.Rewrites {
		t.bytes += len(e.Data)
	}
	return nil
}

// forget erases a vault item, or takes one of this batch out of it.
func (t *turn) forget(k []byte) {
	value, ok := t.kept[string(k)]
	t.kept[string(k)] = nil // a commit names a key once
	if !ok {
		t.forgets = append(t.forgets, k)
	}
	if value == nil {
		return
	}
	t.vault = slices.DeleteFunc(t.vault, func(p ports.Pair) bool { return bytes.Equal(p.Key, k) })
}

func (t *turn) foldEvents(b *batch, by *core.Actor, events []core.Event) error {
	for _, e := range events {
		t.seq++
		r := core.Recorded{Seq: t.seq, At: t.now, By: by, Event: e}
		if err := t.state.Fold(r); err != nil {
			return err
		}
		t.events = append(t.events, r)
		if company, id, ok := webhookOf(e); ok {
			// Loaded by a later command of this batch, the index would miss the change: the snapshot is older.
			if _, err := b.webhooks(company); err != nil {
				return err
			}
			w, exists, err := t.state.Webhook(company, id)
			if err != nil {
				return err
			}
			b.index.set(company, id, w, exists)
		}
	}
	return nil
}

// rowBytes is a generous guess of what one event puts into rows, for closing a batch in time.
const rowBytes = 2048

func (t *turn) commit() (ports.Commit, error) {
	puts, deletes, err := t.state.Changes()
	if err != nil {
		return ports.Commit{}, err
	}
	puts, deletes = append(append(puts, t.vault...), t.marks...), append(deletes, t.forgets...)
	return ports.Commit{Entries: t.entries, Rewrites: t.rewrites, Puts: puts, Deletes: deletes}, nil
}

// dues are the calls that the batch made due. Each carries what the batch itself holds of it, so that it need not be read back at once.
func (t *turn) dues() []core.Due {
	dues := t.state.Dues()
	for _, d := range dues {
		if d.Fresh == nil {
			continue
		}
		if ref := d.Fresh.Call.Resource; ref != nil {
			d.Fresh.Resource = t.keptData(core.ResourceKey(*ref))
		}
		if d.Fresh.HasData {
			d.Fresh.Data = t.keptData(core.DataKey(d.Fresh.Call.Message))
		}
	}
	return dues
}

// keptData is the data of a vault item of the batch, nil for one that is not.
func (t *turn) keptData(k []byte) []byte {
	data, _ := core.OpenVaultItem(t.kept[string(k)], "") // nothing is no item
	return data
}

func (t *turn) answer(err error) {
	for _, c := range t.commands {
		if err == nil {
			c.finish(c.refusal)
		} else {
			c.finish(err)
		}
	}
}

// refused answers a batch of which nothing was stored. One that was too large as a whole is decided again command by command, so that
// only the large one is refused.
func (t *turn) refused(cause error) error {
	if !errors.Is(cause, ports.ErrTooLarge) || len(t.commands) == 1 {
		t.answer(fmt.Errorf("nothing was stored: %w", cause))
		return nil
	}
	for i, c := range t.commands {
		if err := t.turn(c, true); err != nil {
			for _, left := range t.commands[i+1:] {
				left.finish(err)
			}
			return err
		}
	}
	return nil
}

// fail answers the batch: what became of it is not known. The writer ends with the same error.
func (t *turn) fail(cause error) error {
	err := fmt.Errorf("commit after event %d: %w: %w; restart the engine, then repeat the command with its idempotency key",
		t.writer.seq, ports.ErrUnknownOutcome, cause)
	t.answer(err)
	return err
}

func (t *turn) reported() []*core.Outcome {
	out := make([]*core.Outcome, 0, len(t.commands))
	for _, c := range t.commands {
		if c.outcome != nil && c.refusal == nil {
			out = append(out, c.outcome)
		}
	}
	return out
}

// webhookOf names the webhook whose settings an event changes.
func webhookOf(e core.Event) (company, id string, ok bool) {
	switch e := e.(type) {
	case core.WebhookRegistered:
		return e.Company, e.Webhook, true
	case core.WebhookUpdated:
		return e.Company, e.Webhook, true
	case core.WebhookEnabled:
		return e.Company, e.Webhook, true
	case core.WebhookDisabled:
		return e.Company, e.Webhook, true
	case core.WebhookDeleted:
		return e.Company, e.Webhook, true
	case core.WebhookHeadersSet:
		return e.Company, e.Webhook, true
	case core.WebhookSecretRotated:
		return e.Company, e.Webhook, true
	case core.WebhookPaused:
		return e.Company, e.Webhook, true
	case core.WebhookResumed:
		return e.Company, e.Webhook, true
	}
	return "", "", false
}
