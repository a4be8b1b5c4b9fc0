package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"posthorn/engine/core"
	"posthorn/ports"
)

// eventAt returns one event of the log.
func (e *Engine) eventAt(r ports.Reader, seq uint64) (core.Recorded, error) {
	recorded, err := entryFrom(r, e.writer.codec, seq)
	if err != nil {
		return core.Recorded{}, err
	}
	for _, rec := range recorded {
		if rec.Seq == seq {
			return rec, nil
		}
	}
	return core.Recorded{}, fmt.Errorf("event %d: %w", seq, ports.ErrNotFound)
}

// entryFrom returns the events of the first entry that holds the place seq or one after it, without those that were pruned.
func entryFrom(r ports.Reader, codec *core.Codec, seq uint64) ([]core.Recorded, error) {
	for entry, err := range r.Entries(seq - 1) {
		if err != nil {
			return nil, err
		}
		return codec.Decode(entry)
	}
	return nil, fmt.Errorf("event %d: %w", seq, ports.ErrNotFound)
}

func (e *Engine) outward(r core.Recorded) (Event, error) {
	return outward(e.writer.codec, r)
}

// LastSeq returns the number of the newest event, 0 for an empty log.
func (e *Engine) LastSeq(context.Context) (uint64, error) { return e.writer.lastSeen.Load(), nil }

// Events returns a page of the log, oldest first. The cursor of the next page is the seq to go on after.
func (e *Engine) Events(ctx context.Context, q EventQuery) (Page[Event], error) {
	scan := pageScan{limit: q.Limit}
	if err := scan.prepare(); err != nil {
		return Page[Event]{}, err
	}
	out := Page[Event]{}
	looked := 0
	err := e.read(ctx, q.After, func(event Event) bool {
		if len(out.Items) == scan.limit || looked == maxLooked {
			out.Next = strconv.FormatUint(event.Seq-1, 10)
			return false
		}
		looked++
		if q.matches(event) {
			out.Items = append(out.Items, event)
		}
		return true
	})
	return out, err
}

func (q EventQuery) matches(event Event) bool {
	if q.Type != "" && q.Type != event.Type {
		return false
	}
	if q.Company == "" {
		return true
	}
	var of struct {
		Company string `json:"company"`
	}
	return json.Unmarshal(event.Data, &of) == nil && of.Company == q.Company
}

// read hands the events after seq to yield, oldest first, until it returns false or the log of this moment is at its end.
func (e *Engine) read(ctx context.Context, after uint64, yield func(Event) bool) error {
	return e.store.View(ctx, func(r ports.Reader) error {
		for entry, err := range r.Entries(after) {
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			more, err := e.readEntry(entry, after, yield)
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) readEntry(entry ports.Entry, after uint64, yield func(Event) bool) (more bool, err error) {
	recorded, err := e.writer.codec.Decode(entry)
	if err != nil {
		return false, err
	}
	for _, rec := range recorded {
		if rec.Seq <= after {
			continue
		}
		event, err := e.outward(rec)
		if err != nil || !yield(event) {
			return false, err
		}
	}
	return true, nil
}

// followPage is how many events a follower reads at once; it holds no snapshot while its reader thinks.
const followPage = 256

// Follow yields the events after seq, those of the past and then each new one once it is on disk, until ctx ends or the engine stops: then it
// yields no more, and no error. Any number may follow at once; a slow one delays nobody.
func (e *Engine) Follow(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			news := e.news.wait()
			page := make([]Event, 0, followPage)
			err := e.read(ctx, after, func(event Event) bool {
				page = append(page, event)
				return len(page) < followPage
			})
			if err != nil {
				if ctx.Err() == nil && !e.stopped() {
					yield(Event{}, fmt.Errorf("follow after event %d: %w", after, err))
				}
				return
			}
			for _, event := range page {
				if ctx.Err() != nil || !yield(event, nil) {
					return
				}
				after = event.Seq
			}
			if len(page) == followPage {
				continue
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			case <-e.stopping:
				return
			}
		}
	}
}

// news wakes everyone who waits, each time something happens.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

func newNews() *news { return &news{ch: make(chan struct{})} }

// wait returns a channel that is closed by the next tell.
func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.ch)
	n.ch = make(chan struct{})
}

// companyOf finds the company of a call by the call's id alone. The id carries the time of the entry that requested it, and times in
// the log never go back, so a search by halves finds the entry: no row is spent on it.
func (e *Engine) companyOf(ctx context.Context, id string) (string, error) {
	var company string
	err := e.store.View(ctx, func(r ports.Reader) error {
		for recorded, err := range entriesOf(r, e.writer.codec, core.PrefixCall, id) {
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if c, ok := rec.Event.(core.CallRequested); ok && c.Call == id {
					company = c.Company
					return nil
				}
			}
		}
		return ports.ErrNotFound
	})
	return company, err
}

// entriesOf yields the events of each entry of the time that an id carries, one of which has made it. ErrNotFound is for what is no id.
func entriesOf(r ports.Reader, codec *core.Codec, prefix, id string) iter.Seq2[[]core.Recorded, error] {
	return func(yield func([]core.Recorded, error) bool) {
		parsed, err := ulid.ParseStrict(strings.TrimPrefix(id, prefix))
		if err != nil || !strings.HasPrefix(id, prefix) {
			yield(nil, fmt.Errorf("id %s is not one: %w; it looks like %s01ARZ3NDEKTSV4RRFFQ69G5FAV", core.Show(id), ports.ErrNotFound, prefix))
			return
		}
		at := ulid.Time(parsed.Time())
		first, err := firstAt(r, codec, at)
		if err != nil {
			yield(nil, err)
			return
		}
		for entry, err := range r.Entries(first) {
			if err != nil {
				yield(nil, err)
				return
			}
			recorded, err := codec.Decode(entry)
			if err == nil && recorded[0].At.After(at) || !yield(recorded, err) || err != nil {
				return
			}
		}
	}
}

// firstAt returns the seq after which the entries of time at begin.
func firstAt(r ports.Reader, codec *core.Codec, at time.Time) (uint64, error) {
	last, err := r.LastSeq()
	if err != nil {
		return 0, err
	}
	low, high := uint64(0), last // the event low+1 may be too early, none after high is
	for low < high {
		middle := low + (high-low)/2
		recorded, err := entryFrom(r, codec, middle+1)
		if err != nil {
			return 0, err
		}
		if recorded[0].At.Before(at) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// firstID is the smallest ULID of a time.
func firstID(at time.Time) string {
	var id ulid.ULID
	if at.Before(time.UnixMilli(0)) {
		return id.String()
	}
	_ = id.SetTime(ulid.Timestamp(at)) // only the year 10889 is too late
	return id.String()
}
