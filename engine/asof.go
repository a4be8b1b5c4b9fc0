package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// The past is folded from the events up to a time, as the rows are from all of them. What retention has pruned is gone from the past too, and
// what was erased is erased there. A time to come is answered as now.

// CallAsOf is Call as it answered at a time, with the attempts and events up to then. The body is written with today's secret. It returns
// ErrNotFound for a call that was not made yet.
func (e *Engine) CallAsOf(ctx context.Context, company, id string, at time.Time) (CallDetail, error) {
	return e.callDetail(ctx, company, id, at)
}

// callAsOf returns a call as it was at a time; ok is false when it was not made yet. Its events are read only if it has changed since.
func (e *Engine) callAsOf(r ports.Reader, c Call, seqs []uint64, at time.Time) (then Call, ok bool, err error) {
	if at.IsZero() || !c.UpdatedAt.After(at) {
		return c, true, nil
	}
	past := core.NewPast()
	for _, seq := range seqs {
		recorded, err := e.eventAt(r, seq)
		if err != nil {
			return Call{}, false, err
		}
		if recorded.At.After(at) {
			break
		}
		if err := past.Fold(recorded); err != nil {
			return Call{}, false, err
		}
	}
	return past.Call(c.Company, c.ID)
}

// WebhookAsOf is Webhook as it answered at a time, but for its breaker, since when it fails, and old secrets that sign no more, all of which
// come and go by themselves. It returns ErrNotFound for one that was not registered yet, or was deleted by then.
func (e *Engine) WebhookAsOf(ctx context.Context, company, id string, at time.Time) (Webhook, error) {
	var out Webhook
	err := e.store.View(ctx, func(r ports.Reader) error {
		past := core.NewPast()
		err := e.changes(ctx, r, company, id, func(recorded core.Recorded) (more bool, err error) {
			if recorded.At.After(at) {
				return false, nil
			}
			return true, past.Fold(recorded)
		})
		if err != nil {
			return err
		}
		var ok bool
		if out, ok, err = past.Webhook(company, id); err == nil && !ok {
			return fmt.Errorf("webhook %s, %s: %w; see its timeline", core.Show(id), at.UTC().Format(time.RFC3339Nano), ports.ErrNotFound)
		}
		return err
	})
	return out, wrap(err, "read the past of webhook", id)
}

// changes hands the events that changed a webhook to yield, oldest first, until it returns false.
func (e *Engine) changes(ctx context.Context, r ports.Reader, company, id string, yield func(core.Recorded) (bool, error)) error {
	from, to := core.ChangeRange(company, id)
	for pair, err := range r.Scan(from, to, false) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		change, err := core.ParseChange(pair.Key)
		if err != nil {
			return err
		}
		recorded, err := e.eventAt(r, change.Seq)
		if err != nil {
			return err
		}
		if more, err := yield(recorded); err != nil || !more {
			return err
		}
	}
	return nil
}

// A TimelineQuery asks for a page of what changed in a webhook, oldest first.
type TimelineQuery struct {
	Company, Webhook string
	Limit            int
	Cursor           string
}

// A TimelineEntry is one event that changed a webhook: when, by whom, and what.
type TimelineEntry struct {
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	Type string    `json:"type"`
	// By is who asked for it; absent where the engine acted by itself, or it is not known who asked.
	By *Actor `json:"by,omitempty"`
	// Changes are the fields that differ after it, by name. Secrets are not among them; that one was rotated, or the webhook deleted, Type says.
	// An update that left everything as it was is no entry.
	Changes []FieldChange `json:"changes"`
}

// A FieldChange is what a field was and became, as it stands in a webhook's JSON; absent where the field was.
type FieldChange struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

// WebhookTimeline returns a page of what changed in a webhook, oldest first, one that was deleted too. It returns ErrNotFound for one
// that there never was, and an InvalidError for a limit or cursor that there is not. It costs two reads for each change from the first on.
func (e *Engine) WebhookTimeline(ctx context.Context, q TimelineQuery) (Page[TimelineEntry], error) {
	scan := pageScan{limit: q.Limit}
	if err := scan.prepare(); err != nil {
		return Page[TimelineEntry]{}, err
	}
	after, err := strconv.ParseUint("0"+q.Cursor, 10, 64)
	if err != nil {
		return Page[TimelineEntry]{}, refuse("cursor", "cursor %s is refused; it is not from a page of this list; begin without one", core.Show(q.Cursor))
	}
	out, past, before := Page[TimelineEntry]{}, core.NewPast(), map[string]json.RawMessage{}
	err = e.store.View(ctx, func(r ports.Reader) error {
		if _, err := r.Get(core.WebhookKey(q.Company, q.Webhook)); err != nil {
			return err
		}
		return e.changes(ctx, r, q.Company, q.Webhook, func(recorded core.Recorded) (bool, error) {
			if len(out.Items) == scan.limit {
				out.Next = strconv.FormatUint(out.Items[scan.limit-1].Seq, 10)
				return false, nil
			}
			now, err := foldFields(past, recorded, q, before)
			changes := differing(before, now)
			if before = now; err != nil || recorded.Seq <= after || changesNothing(recorded.Event, changes) {
				return true, err
			}
			out.Items = append(out.Items, TimelineEntry{
				Seq: recorded.Seq, At: recorded.At, By: recorded.By, Type: e.writer.codec.TypeName(recorded.Event), Changes: changes,
			})
			return true, nil
		})
	})
	return out, named(err, "webhook", q.Webhook)
}

// changesNothing tells of an update that left all settings as they were, as one does that sets headers alone. Of other events the type says
// what happened, although no field that may be shown differs.
func changesNothing(e core.Event, changes []FieldChange) bool {
	_, update := e.(core.WebhookUpdated)
	return update && len(changes) == 0
}

// foldFields lets an event happen to a webhook and returns its fields; one that is deleted keeps those that it had before.
func foldFields(past *core.Past, recorded core.Recorded, q TimelineQuery, before map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	if err := past.Fold(recorded); err != nil {
		return nil, err
	}
	w, ok, err := past.Webhook(q.Company, q.Webhook)
	if err != nil || !ok {
		return before, err
	}
	raw, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	err = json.Unmarshal(raw, &fields)
	return fields, err
}

// differing lists the fields that two states of a webhook do not share, by name. What never changes, and when it did, is left out.
func differing(before, now map[string]json.RawMessage) []FieldChange {
	out := []FieldChange{}
	all := maps.Clone(before)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains([]string{"id", "company", "createdAt", "updatedAt"}, name) || string(before[name]) == string(now[name]) {
			continue
		}
		out = append(out, FieldChange{Field: name, From: before[name], To: now[name]})
	}
	return out
}
