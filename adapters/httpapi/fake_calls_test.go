package httpapi_test

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

func (m *memory) rows(q engine.CallQuery) []engine.HistoryRow {
	return slices.DeleteFunc(slices.Clone(m.calls), func(r engine.HistoryRow) bool {
		return r.Company != q.Company || q.State != "" && r.State != q.State || q.Webhook != "" && r.Webhook != q.Webhook
	})
}

func (m *memory) History(_ context.Context, q engine.CallQuery) (engine.Page[engine.HistoryRow], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.HistoryRow]{}, err
	}
	return page(m.rows(q), q.Limit, q.Cursor)
}

func (m *memory) CallPage(_ context.Context, q engine.CallQuery) (engine.Page[engine.Call], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.Call]{}, err
	}
	rows, err := page(m.rows(q), q.Limit, q.Cursor)
	out := engine.Page[engine.Call]{Next: rows.Next}
	for _, r := range rows.Items {
		out.Items = append(out.Items, r.Call)
	}
	return out, err
}

func (m *memory) call(company, id string, asked any) (engine.HistoryRow, error) {
	defer m.mu.Unlock()
	if err := m.begin(asked); err != nil {
		return engine.HistoryRow{}, err
	}
	i := slices.IndexFunc(m.calls, func(r engine.HistoryRow) bool { return r.Company == company && r.ID == id })
	if i < 0 {
		return engine.HistoryRow{}, missing("call", id)
	}
	return m.calls[i], nil
}

func (m *memory) Call(_ context.Context, company, id string) (engine.CallDetail, error) {
	row, err := m.call(company, id, id)
	return engine.CallDetail{Call: row.Call, Attempts: []engine.Attempt{}, Timeline: []engine.Event{}, Body: row.Body}, err
}

func (m *memory) RetryCall(_ context.Context, company, id string) (engine.Call, error) {
	row, err := m.call(company, id, "retry "+id)
	if err == nil {
		row.RetryOf, row.ID = row.ID, "call_again"
	}
	return row.Call, err
}

func (m *memory) CancelCall(_ context.Context, company, id string) (engine.Call, error) {
	row, err := m.call(company, id, "cancel "+id)
	if err == nil && row.State != core.Pending {
		return engine.Call{}, fmt.Errorf("call %q is %s already; it cannot be cancelled (%w)", id, row.State, ports.ErrConflict)
	}
	return row.Call, err
}

func (m *memory) Events(_ context.Context, q engine.EventQuery) (engine.Page[engine.Event], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.Event]{}, err
	}
	return page(m.events[min(int(q.After), len(m.events)):], q.Limit, "")
}

func (m *memory) Follow(ctx context.Context, after uint64) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		for {
			m.mu.Lock()
			fail, changed := m.fail, m.changed
			fresh := slices.Clone(m.events[min(int(after), len(m.events)):])
			m.mu.Unlock()
			for _, e := range fresh {
				if after = e.Seq; !yield(e, nil) {
					return
				}
			}
			if fail != nil {
				yield(engine.Event{}, fail)
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// happen tells an event from outside of a command.
func (m *memory) happen(kind, company string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell(kind, map[string]any{"company": company})
}

func (m *memory) Ready(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail
}

func (m *memory) Degraded(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits
}
