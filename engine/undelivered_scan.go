package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Undelivered tells what was not delivered: counts first, then rows. Unmatched messages come before ended calls, the newest of each first, company
// by company where all are asked for; then waiting calls, webhook by webhook, the one that is tried last first. A page is one snapshot. It
// returns an InvalidError for a kind, an event type, a limit or a cursor that there is not, and the context's error when that ends.
//
// What has been delivered costs nothing, however much it is. The first page, which counts, reads two rows for each call that ended without success,
// two for each open call, and one for each unmatched message, of the company or of all: about 10 µs each. Pages after it look at
// 10,000 rows at the most, so they may be short and still have a next one. Memory is bounded: a page, and 1,000 names of each count.
func (e *Engine) Undelivered(ctx context.Context, q UndeliveredQuery) (UndeliveredPage, error) {
	s := undeliveredScan{ctx: ctx, q: q, now: e.jobs.clock.now()}
	if err := s.prepare(); err != nil {
		return UndeliveredPage{}, err
	}
	err := e.store.View(ctx, func(r ports.Reader) error {
		s.r = r
		for _, part := range []func() error{s.unmatched, s.ended, s.waiting} { // as their keys fall
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPageFull) {
		return UndeliveredPage{}, wrap(err, "find what was not delivered to", q.Company)
	}
	if s.tallies != nil {
		s.out.Counts = s.tallies.counts(q.Company == "")
	}
	return s.out, nil
}

// errPageFull ends a scan whose page is full and that counts nothing.
var errPageFull = errors.New("the page is full")

// An undeliveredScan goes through the rows of three kinds in one snapshot, from the largest key to the smallest: a cursor is the key that was
// looked at last, of whichever kind.
type undeliveredScan struct {
	ctx     context.Context //nolint:containedctx // lives for one query
	q       UndeliveredQuery
	now     time.Time
	r       ports.Reader
	limit   int
	before  []byte   // the cursor: rows from it on were on the pages before; nil on the first page
	tallies *tallies // nil on the pages after
	looked  int
	last    []byte
	out     UndeliveredPage
	webhook core.Webhook // the last that was read
}

func (s *undeliveredScan) prepare() error {
	q := &s.q
	if q.Kind != "" && !slices.Contains(UndeliveredKinds(), q.Kind) {
		return refuse("kind", "kind %s is refused; there are %v; name one of them", core.Show(string(q.Kind)), UndeliveredKinds())
	}
	if err := core.CheckEventType(q.EventType); q.EventType != "" && err != nil {
		return err
	}
	if q.WaitingLonger < 0 {
		return refuse("waiting", "waiting %s is refused; it is how old an open call is, 0 or more; change it", core.Duration(q.WaitingLonger))
	}
	if q.WaitingLonger == 0 {
		q.WaitingLonger = DefaultWaiting
	}
	scan := pageScan{limit: q.Limit, cursor: q.Cursor, reverse: true}
	scan.from, scan.to = core.RowRange()
	if err := scan.prepare(); err != nil {
		return err
	}
	if s.limit = scan.limit; q.Cursor != "" && !q.CountOnly {
		s.before = scan.to
		return nil
	}
	s.tallies = newTallies()
	if q.CountOnly {
		s.limit = 0
	}
	return nil
}

// scan hands the rows of a range to read, the largest key first, and takes what read finds. read returns nil for nothing.
func (s *undeliveredScan) scan(from, to []byte, read func(ports.Pair) (*Undelivered, error)) error {
	if s.before != nil && bytes.Compare(s.before, to) < 0 {
		to = s.before
	}
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	for pair, err := range s.r.Scan(from, to, true) {
		if err := errors.Join(err, s.ctx.Err()); err != nil {
			return err
		}
		if s.tallies == nil && s.looked == maxLooked {
			s.more()
			return errPageFull
		}
		s.looked++
		k := slices.Clone(pair.Key)
		found, err := read(pair)
		if err != nil {
			return err
		}
		if err := s.take(found, k); err != nil {
			return err
		}
	}
	return nil
}

// take puts a row on the page, or notes that there is a next page.
func (s *undeliveredScan) take(found *Undelivered, k []byte) error {
	if found == nil || !s.q.matches(*found) {
		s.passed(k)
		return nil
	}
	if s.tallies != nil {
		s.tallies.add(*found)
	}
	if len(s.out.Items) < s.limit {
		s.out.Items = append(s.out.Items, *found)
		s.passed(k)
		return nil
	}
	if s.more(); s.tallies == nil {
		return errPageFull
	}
	return nil
}

// passed moves the cursor while the page is not full.
func (s *undeliveredScan) passed(k []byte) {
	if s.out.Next == "" {
		s.last = k
	}
}

func (s *undeliveredScan) more() {
	if s.out.Next == "" && s.limit > 0 {
		s.out.Next = base64.RawURLEncoding.EncodeToString(s.last)
	}
}

// wants tells whether rows of one of the kinds are asked for.
func (s *undeliveredScan) wants(kinds ...UndeliveredKind) bool {
	return s.q.Kind == "" || slices.Contains(kinds, s.q.Kind)
}

// since begins a company's range of ids at the time that is asked for: an id is never older than what it names.
func (s *undeliveredScan) since(from []byte, key func(company, id string) []byte, prefix string) []byte {
	if s.q.Company == "" || s.q.Since.IsZero() {
		return from
	}
	return key(s.q.Company, prefix+firstID(s.q.Since))
}

func (s *undeliveredScan) unmatched() error {
	if !s.wants(UndeliveredUnmatched) || s.q.Webhook != "" {
		return nil
	}
	from, to := core.UnmatchedRange(s.q.Company)
	return s.scan(s.since(from, core.UnmatchedKey, core.PrefixMessage), to, func(pair ports.Pair) (*Undelivered, error) {
		m, err := core.ParseUnmatched(pair)
		u := undeliveredMessage(m)
		return &u, err
	})
}

func (s *undeliveredScan) ended() error {
	if !s.wants(UndeliveredFailed, UndeliveredSkipped, UndeliveredCancelled) {
		return nil
	}
	from, to := core.UndeliveredRange(s.q.Company)
	return s.scan(s.since(from, core.UndeliveredKey, core.PrefixCall), to, func(pair ports.Pair) (*Undelivered, error) {
		company, id, err := core.ParseUndelivered(pair.Key)
		if err != nil {
			return nil, err
		}
		c, err := s.call(company, id)
		u := undeliveredCall(UndeliveredKind(c.State), string(c.Reason), c)
		return &u, err
	})
}

// waiting goes through the queues of the webhook, of the company's webhooks or of all.
func (s *undeliveredScan) waiting() error {
	switch {
	case !s.wants(UndeliveredWaiting):
		return nil
	case s.q.Webhook != "" || s.q.Company == "":
		return s.queue(s.q.Webhook)
	}
	from, to := core.WebhookRange(s.q.Company)
	for pair, err := range s.r.Scan(from, to, true) {
		if err != nil {
			return err
		}
		w, _, _, err := core.ParseWebhook(pair)
		if err != nil {
			return err
		}
		if err := s.queue(w.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *undeliveredScan) queue(webhook string) error {
	from, to := core.DueRange(webhook)
	return s.scan(from, to, func(pair ports.Pair) (*Undelivered, error) {
		due, err := core.ParseDue(pair.Key, pair.Value)
		if err != nil || s.q.Company != "" && due.Company != s.q.Company {
			return nil, err
		}
		c, err := s.call(due.Company, due.Call)
		if err != nil || s.now.Sub(c.CreatedAt) <= s.q.WaitingLonger {
			return nil, err
		}
		why, err := s.waitsFor(c)
		u := undeliveredCall(UndeliveredWaiting, why, c)
		return &u, err
	})
}

func (s *undeliveredScan) call(company, id string) (Call, error) {
	k := core.CallKey(company, id)
	value, err := s.r.Get(k)
	if err != nil {
		return Call{}, err
	}
	c, _, _, err := core.ParseCall(ports.Pair{Key: k, Value: value})
	return c, err
}

// waitsFor says what holds a call up. The calls of a webhook come one after the other, so the webhook is read once for all of them.
func (s *undeliveredScan) waitsFor(c Call) (string, error) {
	if s.webhook.ID != c.Webhook || s.webhook.Company != c.Company {
		k := core.WebhookKey(c.Company, c.Webhook)
		value, err := s.r.Get(k)
		if err != nil {
			return "", err
		}
		if s.webhook, _, _, err = core.ParseWebhook(ports.Pair{Key: k, Value: value}); err != nil {
			return "", err
		}
	}
	switch {
	case !s.webhook.Enabled:
		return waitsForDeletion, nil
	case s.webhook.Paused:
		return WaitsForResume, nil
	case s.webhook.Breaker != nil:
		return WaitsForBreaker, nil
	case c.AttemptCount > 0:
		return WaitsForRetry, nil
	}
	return WaitsForItsTurn, nil
}
