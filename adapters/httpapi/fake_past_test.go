package httpapi_test

import (
	"context"
	"time"

	"posthorn/engine"
)

// The memory knows no past: it answers as now, and one message that nobody asked for.

func (m *memory) CallAsOf(ctx context.Context, company, id string, _ time.Time) (engine.CallDetail, error) {
	return m.Call(ctx, company, id)
}

func (m *memory) WebhookAsOf(ctx context.Context, company, id string, _ time.Time) (engine.Webhook, error) {
	return m.Webhook(ctx, company, id)
}

func (m *memory) WebhookTimeline(_ context.Context, q engine.TimelineQuery) (engine.Page[engine.TimelineEntry], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.TimelineEntry]{}, err
	}
	w, err := m.webhook(q.Company, q.Webhook)
	if err != nil {
		return engine.Page[engine.TimelineEntry]{}, err
	}
	return page([]engine.TimelineEntry{{
		Seq: 2, At: w.CreatedAt, Type: "WebhookRegistered", By: &engine.Actor{Key: "key_1", Remote: "192.0.2.1"},
		Changes: []engine.FieldChange{{Field: "enabled", To: []byte("true")}},
	}}, q.Limit, q.Cursor)
}

func (m *memory) Undelivered(_ context.Context, q engine.UndeliveredQuery) (engine.UndeliveredPage, error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.UndeliveredPage{}, err
	}
	one := []engine.Count{{Name: "unmatched", Count: 1}}
	out := engine.UndeliveredPage{Counts: &engine.UndeliveredCounts{Total: 1, Kinds: one}}
	if !q.CountOnly {
		out.Items = []engine.Undelivered{{Kind: engine.UndeliveredUnmatched, Company: "42", Message: "msg_1", Reason: engine.NobodyAsked, CreatedAt: epoch}}
	}
	return out, nil
}
