package httpapi_test

import (
	"context"
	"fmt"
	"slices"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// The memory's replays run for ever; what they send, the engine's own tests ask.

func (m *memory) StartReplay(_ context.Context, n engine.NewReplay) (engine.Replay, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.Replay{}, err
	}
	n, err := n.Check()
	if err != nil {
		return engine.Replay{}, err
	}
	r := engine.Replay{
		ID: m.id("rep_"), Company: n.Company, Query: n.Query, Mode: n.Mode, Rate: n.Rate, State: core.ReplayIsRunning, CreatedAt: epoch, UpdatedAt: epoch,
	}
	m.replays = append(m.replays, r)
	return r, nil
}

func (m *memory) PreviewReplay(_ context.Context, n engine.NewReplay) (engine.ReplayPreview, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.ReplayPreview{}, err
	}
	if _, err := n.Check(); err != nil {
		return engine.ReplayPreview{}, err
	}
	counts := core.ReplayCounts{Found: 3, Calls: 2, Newly: 1, Left: map[core.Reason]int{core.AlreadyDelivered: 1}}
	return engine.ReplayPreview{Counts: counts, Webhooks: []engine.ReplayedWebhook{{Webhook: "wh_1", ReplayCounts: counts}}}, nil
}

func (m *memory) Replays(_ context.Context, q engine.ListQuery) (engine.Page[engine.Replay], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.Replay]{}, err
	}
	of := slices.DeleteFunc(slices.Clone(m.replays), func(r engine.Replay) bool { return r.Company != q.Company })
	return page(of, q.Limit, q.Cursor)
}

func (m *memory) Replay(_ context.Context, company, id string) (engine.Replay, error) {
	return m.switchReplay(company, id, "")
}

func (m *memory) PauseReplay(_ context.Context, company, id string) (engine.Replay, error) {
	return m.switchReplay(company, id, core.ReplayIsPaused)
}

func (m *memory) ResumeReplay(_ context.Context, company, id string) (engine.Replay, error) {
	return m.switchReplay(company, id, core.ReplayIsRunning)
}

func (m *memory) CancelReplay(_ context.Context, company, id string) (engine.Replay, error) {
	return m.switchReplay(company, id, core.ReplayIsCancelled)
}

func (m *memory) switchReplay(company, id string, to core.ReplayState) (engine.Replay, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.Replay{}, err
	}
	i := slices.IndexFunc(m.replays, func(r engine.Replay) bool { return r.Company == company && r.ID == id })
	switch {
	case i < 0:
		return engine.Replay{}, missing("replay", id)
	case to == "":
	case !m.replays[i].State.Open():
		return engine.Replay{}, fmt.Errorf("replay %q has ended (%w)", id, ports.ErrConflict)
	default:
		m.replays[i].State = to
	}
	return m.replays[i], nil
}
