package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// maxLooked bounds the rows looked at for one page: a filter that matches little gives short pages with a cursor, never a long wait.
const maxLooked = 10_000

// A pageScan says which rows make a page.
type pageScan struct {
	from, to []byte
	reverse  bool
	limit    int
	cursor   string
}

// page reads rows until the page is full, the range is at its end, or enough has been looked at. read returns false for a row that does
// not belong to the page.
func page[T any](ctx context.Context, store ports.Store, scan pageScan, read func(ports.Reader, ports.Pair) (T, bool, error)) (Page[T], error) {
	out := Page[T]{}
	if err := scan.prepare(); err != nil {
		return out, err
	}
	err := store.View(ctx, func(r ports.Reader) error {
		looked := 0
		var last []byte
		for pair, err := range r.Scan(scan.from, scan.to, scan.reverse) {
			if err != nil {
				return err
			}
			if len(out.Items) == scan.limit || looked == maxLooked {
				out.Next = base64.RawURLEncoding.EncodeToString(last)
				return nil
			}
			looked++
			last = append(last[:0], pair.Key...)
			item, ok, err := read(r, pair)
			if err != nil {
				return err
			}
			if ok {
				out.Items = append(out.Items, item)
			}
		}
		return ctx.Err()
	})
	return out, err
}

// prepare checks limit and cursor, and begins the range behind the cursor, which is the last key of the page before.
func (p *pageScan) prepare() error {
	if p.limit == 0 {
		p.limit = DefaultLimit
	}
	if p.limit < 0 || p.limit > MaxLimit {
		return refuse("limit", "limit %d is refused; a page holds 1 to %d; change it", p.limit, MaxLimit)
	}
	if p.cursor == "" {
		return nil
	}
	last, err := base64.RawURLEncoding.DecodeString(p.cursor)
	if err != nil || string(last) < string(p.from) || string(last) >= string(p.to) {
		return refuse("cursor", "cursor %s is refused; it is not from a page of this list; begin without one", core.Show(p.cursor))
	}
	if p.reverse {
		p.to = last
	} else {
		p.from = slices.Concat(last, []byte{0})
	}
	return nil
}

func refuse(field, format string, args ...any) error {
	return &core.InvalidError{Problems: []core.Problem{{Field: field, Text: fmt.Sprintf(format, args...)}}}
}

// Webhook returns a webhook without its secret, or ErrNotFound.
func (e *Engine) Webhook(ctx context.Context, company, id string) (Webhook, error) {
	var out Webhook
	err := e.store.View(ctx, func(r ports.Reader) error {
		w, err := readWebhook(r, e.wire.sealer, company, id)
		out = w.Webhook
		return err
	})
	return out, named(err, "webhook", id)
}

// named says what was not found in words for who asked; the store's own name its keys.
func named(err error, what, id string) error {
	if errors.Is(err, ports.ErrNotFound) {
		return fmt.Errorf("%s %s: %w; list what there is, or check the company", what, core.Show(id), ports.ErrNotFound)
	}
	return wrap(err, "read "+what, id)
}

func (e *Engine) secretOf(ctx context.Context, company, id string) (secret string, err error) {
	err = e.store.View(ctx, func(r ports.Reader) error {
		secret, err = newestSecret(r, e.wire.sealer, company, id)
		return err
	})
	return secret, err
}

// Webhooks returns a page of a company's webhooks, oldest first. An unknown company has none.
func (e *Engine) Webhooks(ctx context.Context, q ListQuery) (Page[Webhook], error) {
	from, to := core.WebhookRange(q.Company)
	return page(ctx, e.store, pageScan{from: from, to: to, limit: q.Limit, cursor: q.Cursor},
		func(_ ports.Reader, pair ports.Pair) (Webhook, bool, error) {
			w, _, ok, err := core.ParseWebhook(pair)
			return w, ok, err
		})
}

// CallPage returns a page of a company's calls, newest first. It returns an InvalidError for a state, limit or cursor that there is not.
func (e *Engine) CallPage(ctx context.Context, q CallQuery) (Page[Call], error) {
	scan, err := q.scan()
	if err != nil {
		return Page[Call]{}, err
	}
	return page(ctx, e.store, scan, func(r ports.Reader, pair ports.Pair) (Call, bool, error) {
		c, _, ok, err := e.asked(r, pair, q)
		return c, ok, err
	})
}

// History is CallPage with the bodies that the receivers get.
func (e *Engine) History(ctx context.Context, q CallQuery) (Page[HistoryRow], error) {
	scan, err := q.scan()
	if err != nil {
		return Page[HistoryRow]{}, err
	}
	secrets := map[string]string{}
	return page(ctx, e.store, scan, func(r ports.Reader, pair ports.Pair) (HistoryRow, bool, error) {
		c, hasData, ok, err := e.asked(r, pair, q)
		if err != nil || !ok {
			return HistoryRow{}, false, err
		}
		body, err := e.bodyOf(r, c, hasData, secrets)
		return HistoryRow{Call: c, Body: body}, true, err
	})
}

// asked reads a call as it was at the time that is asked for; ok is false for one that does not belong to the answer.
func (e *Engine) asked(r ports.Reader, pair ports.Pair, q CallQuery) (c Call, hasData, ok bool, err error) {
	c, hasData, seqs, err := core.ParseCall(pair)
	if err == nil {
		c, ok, err = e.callAsOf(r, c, seqs, q.AsOf)
	}
	return c, hasData, ok && q.matches(c), err
}

// bodyOf writes a call's body again; nil when a part of it is not kept. secrets remembers what has been opened.
func (e *Engine) bodyOf(r ports.Reader, c Call, hasData bool, secrets map[string]string) ([]byte, error) {
	secret, ok := secrets[c.Webhook]
	if !ok {
		var err error
		if secret, err = newestSecret(r, e.wire.sealer, c.Company, c.Webhook); err != nil {
			return optional(nil, err)
		}
		secrets[c.Webhook] = secret
	}
	return optional(callBody(r, core.FreshCall{Call: c, HasData: hasData}, secret))
}

func (q CallQuery) scan() (pageScan, error) {
	if q.State != "" && !slices.Contains(core.CallStates(), q.State) {
		return pageScan{}, refuse("state", "state %s is refused; there are %v; name one of them", core.Show(string(q.State)), core.CallStates())
	}
	from, to := core.CallRange(q.Company)
	// Ids begin with their time, so a time bounds the range; the exact test is in matches.
	if !q.Since.IsZero() {
		from = core.CallKey(q.Company, core.PrefixCall+firstID(q.Since))
	}
	if !q.Until.IsZero() {
		// Ids hold whole milliseconds: the one that Until falls into may hold calls before it.
		to = core.CallKey(q.Company, core.PrefixCall+firstID(q.Until.Add(time.Millisecond-time.Nanosecond)))
	}
	if !q.AsOf.IsZero() { // what was made later was not there
		if last := core.CallKey(q.Company, core.PrefixCall+firstID(q.AsOf.Add(time.Millisecond))); string(last) < string(to) {
			to = last
		}
	}
	return pageScan{from: from, to: to, reverse: true, limit: q.Limit, cursor: q.Cursor}, nil
}

func (q CallQuery) matches(c Call) bool {
	return (q.Webhook == "" || c.Webhook == q.Webhook) &&
		(q.EventType == "" || c.EventType == q.EventType) &&
		(q.State == "" || c.State == q.State) &&
		(q.Since.IsZero() || !c.CreatedAt.Before(q.Since)) &&
		(q.Until.IsZero() || c.CreatedAt.Before(q.Until))
}

// Calls yields a company's calls, newest first, page by page: each page is a snapshot of its own. An error ends it.
func (e *Engine) Calls(ctx context.Context, q CallQuery) iter.Seq2[Call, error] {
	return func(yield func(Call, error) bool) {
		for {
			found, err := e.CallPage(ctx, q)
			if err != nil {
				yield(Call{}, err)
				return
			}
			for _, c := range found.Items {
				if !yield(c, nil) {
					return
				}
			}
			if found.Next == "" {
				return
			}
			q.Cursor = found.Next
		}
	}
}

// Call returns a call with its attempts, its events and its body, or ErrNotFound.
func (e *Engine) Call(ctx context.Context, company, id string) (CallDetail, error) {
	return e.callDetail(ctx, company, id, time.Time{})
}

// callDetail is Call as of a time, the zero one for now.
func (e *Engine) callDetail(ctx context.Context, company, id string, at time.Time) (CallDetail, error) {
	var out CallDetail
	err := e.store.View(ctx, func(r ports.Reader) error {
		k := core.CallKey(company, id)
		value, err := r.Get(k)
		if err != nil {
			return err
		}
		call, hasData, seqs, err := core.ParseCall(ports.Pair{Key: k, Value: value})
		if err != nil {
			return err
		}
		var ok bool
		switch out.Call, ok, err = e.callAsOf(r, call, seqs, at); {
		case err != nil:
			return err
		case !ok:
			return ports.ErrNotFound
		}
		if out.Body, err = e.bodyOf(r, call, hasData, map[string]string{}); err != nil {
			return err
		}
		if out.Erased, err = core.ErasedCall(r.Get, call); err != nil {
			return err
		}
		return e.timeline(r, &out, seqs, at)
	})
	return out, named(err, "call", id)
}

func (e *Engine) timeline(r ports.Reader, out *CallDetail, seqs []uint64, at time.Time) error {
	for _, seq := range seqs {
		recorded, err := e.eventAt(r, seq)
		if err != nil {
			return err
		}
		if !at.IsZero() && recorded.At.After(at) {
			break
		}
		event, err := e.outward(recorded)
		if err != nil {
			return err
		}
		out.Timeline = append(out.Timeline, event)
		if a, ok := recorded.Event.(core.CallAttempted); ok {
			attempt, err := attemptOf(r, a)
			if err != nil {
				return err
			}
			out.Attempts = append(out.Attempts, attempt)
		}
	}
	return nil
}

func attemptOf(r ports.Reader, a core.CallAttempted) (Attempt, error) {
	out := Attempt{
		Attempt: a.Attempt, Lease: a.Lease, StartedAt: a.StartedAt.Time(), TookMS: a.TookMS,
		Status: a.Status, Class: a.Class, Error: a.Error, NextAt: a.NextAt.Pointer(),
	}
	if a.Response != nil {
		body, err := optional(readVault(r, core.ResponseKey(a.Call, a.Attempt, a.Lease, a.Epoch), a.Response.Digest))
		if err != nil {
			return out, fmt.Errorf("read response to attempt %d of %s: %w", a.Attempt, a.Call, err)
		}
		out.Response, out.ResponseTruncated = string(body), a.Response.Truncated
	}
	return out, nil
}
