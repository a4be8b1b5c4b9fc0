package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Bounds of the feed.
const (
	topicEvents = "events"

	feedPage  = 128       // events that are published at once
	feedBytes = 256 << 10 // of their data: with one more event, the most that the feed holds

	saveEvery  = time.Second // the cursor is saved after this time, or
	saveEvents = 1000        // after as many events: a crash repeats no more than these and a page

	feedLongest = 16 * time.Second // between two tries while the bus takes nothing
)

// A feed publishes every event of the log for other systems, in order: one page after the other, each until the bus has taken it. How far it
// has come is a mark in the store, written behind what was published; so a crash leaves no gap, and repeats some. It is one goroutine, which
// holds nothing up: it reads snapshots, and waits as long as it takes for a transport that is away.
type feed struct {
	engine   *Engine
	payloads bool

	cursor, saved uint64 // the last event that was published, and the one that the store knows of
	savedAt       time.Time
	wait          time.Duration // before the next try; 0 while all goes well
}

// resume takes up the mark of the run before. Without one the feed begins with the first event.
func (f *feed) resume(ctx context.Context) error {
	return f.engine.store.View(ctx, func(r ports.Reader) error {
		mark, err := optional(r.Get(core.EventsMark()))
		if err != nil || mark == nil {
			return err
		}
		if f.saved, err = strconv.ParseUint(string(mark), 10, 64); err != nil {
			return fmt.Errorf("open engine: the mark of published events %s is no number: %w; restore a backup", core.Show(string(mark)), ports.ErrDamaged)
		}
		last, err := r.LastSeq()
		f.cursor = min(f.saved, last)
		return err
	})
}

// run publishes until ctx ends. What it has published by then is saved.
func (f *feed) run(ctx context.Context) {
	f.savedAt = time.Now()
	for ctx.Err() == nil {
		news := f.engine.news.wait()
		full, err := f.step(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.failed(ctx, err)
		default:
			f.recovered()
			if !full {
				f.rest(ctx, news)
			}
		}
	}
	_ = f.save(context.Background()) // the writer answers, or has failed; the next start then repeats some events
}

// step saves the cursor when it is time, and publishes the next page; full says that there are more events.
func (f *feed) step(ctx context.Context) (full bool, err error) {
	if f.cursor-f.saved >= saveEvents || f.cursor != f.saved && time.Since(f.savedAt) >= saveEvery {
		if err := f.save(ctx); err != nil {
			return false, fmt.Errorf("save how far events are published: %w", err)
		}
	}
	page, full, err := f.read(ctx)
	if err != nil || len(page) == 0 {
		return false, err
	}
	if err := f.publish(ctx, page); err != nil {
		return false, fmt.Errorf("publish events after %d: %w", f.cursor, err)
	}
	f.cursor = page[len(page)-1].Data.Seq
	return full, nil
}

// read returns the events after the cursor, as many as a page holds.
func (f *feed) read(ctx context.Context) (page []cloudEvent, full bool, err error) {
	size := 0
	err = f.engine.store.View(ctx, func(r ports.Reader) error {
		for entry, err := range r.Entries(f.cursor) {
			if err != nil {
				return err
			}
			recorded, err := f.engine.writer.codec.Decode(entry)
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if rec.Seq <= f.cursor {
					continue
				}
				if full = len(page) == feedPage || size > feedBytes; full {
					return nil
				}
				event, err := f.tell(r, rec)
				if err != nil {
					return err
				}
				size += event.size()
				page = append(page, event)
			}
		}
		return nil
	})
	return page, full, err
}

// tell makes of an event of the log what others get.
func (f *feed) tell(r ports.Reader, rec core.Recorded) (cloudEvent, error) {
	event, err := f.engine.outward(rec)
	if err != nil {
		return cloudEvent{}, err
	}
	id, _ := f.engine.ID()
	out := newCloudEvent(id, event)
	if k, digest, ok := core.PayloadOf(rec.Event); ok && f.payloads {
		if out.Data.Payload, err = optional(readVault(r, k, digest)); errors.Is(err, ports.ErrDamaged) {
			f.engine.log.Error("the payload of an event cannot be read; the event is published without it", "seq", rec.Seq, "error", err)
			err = nil
		}
	}
	return out, err
}

// publish hands a page to the bus. If it is too large for an envelope, it goes one by one, and what is too large alone goes without its payload, or else
// without the event's data: nothing may keep the events behind it from being told.
func (f *feed) publish(ctx context.Context, page []cloudEvent) error {
	err := f.put(ctx, page...)
	if !errors.Is(err, ports.ErrTooLarge) {
		return err
	}
	for _, event := range page {
		err := f.put(ctx, event)
		for smaller, ok := event.smaller(); ok && errors.Is(err, ports.ErrTooLarge); smaller, ok = smaller.smaller() {
			f.engine.log.Warn("an event is too large for the transport; it is published without its payload or data", "seq", event.Data.Seq, "error", err)
			err = f.put(ctx, smaller)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) put(ctx context.Context, events ...cloudEvent) error {
	id, _ := f.engine.ID()
	envelopes := make([]ports.Envelope, len(events))
	for i, event := range events {
		var err error
		if envelopes[i], err = event.envelope(id); err != nil {
			return err
		}
	}
	return f.engine.bus.Publish(ctx, f.engine.wire.prefix+"."+topicEvents, envelopes...)
}

// save writes the cursor through the writer. It goes the way of outcomes, which are taken until the writer stops.
func (f *feed) save(ctx context.Context) error {
	if f.cursor == f.saved {
		return nil
	}
	c := &command{
		mark:   ports.Pair{Key: core.EventsMark(), Value: strconv.AppendUint(nil, f.cursor, 10)},
		decide: func(*batch) (core.Decision, error) { return core.Decision{}, nil }, done: make(chan struct{}),
	}
	err := f.engine.writer.report(ctx, c)
	if err == nil {
		err = c.wait(ctx)
	}
	if err == nil {
		f.saved, f.savedAt = f.cursor, time.Now()
	}
	return err
}

// rest waits for something new, or until the cursor is to be saved.
func (f *feed) rest(ctx context.Context, news <-chan struct{}) {
	var due <-chan time.Time
	if f.cursor != f.saved {
		timer := time.NewTimer(saveEvery - time.Since(f.savedAt))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-news:
	case <-due:
	case <-ctx.Done():
	}
}

// failed waits before the next try, each time twice as long.
func (f *feed) failed(ctx context.Context, err error) {
	if f.wait == 0 {
		f.engine.log.Warn("events are not published; it is tried again until they are", "error", err)
	}
	f.wait = min(max(2*f.wait, retryPause), feedLongest)
	timer := time.NewTimer(f.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *feed) recovered() {
	if f.wait > 0 {
		f.wait = 0
		f.engine.log.Info("events are published again", "after", f.cursor)
	}
}
