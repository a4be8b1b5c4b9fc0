package httpclient

import (
	"context"
	"net/http"

	"posthorn/engine"
	"posthorn/engine/core"
)

type newReplay struct {
	Mode      core.ReplayMode  `json:"mode"`
	Webhook   string           `json:"webhook,omitempty"`
	EventType string           `json:"eventType,omitempty"`
	State     engine.CallState `json:"state,omitempty"`
	Since     engine.Stamp     `json:"since,omitzero"`
	Until     engine.Stamp     `json:"until,omitzero"`
	Rate      float64          `json:"rate,omitempty"`
}

func newReplayOf(n engine.NewReplay) newReplay {
	q := n.Query
	return newReplay{Mode: n.Mode, Webhook: q.Webhook, EventType: q.EventType, State: q.State, Since: q.Since, Until: q.Until, Rate: n.Rate}
}

// StartReplay is Engine.StartReplay.
func (c *Client) StartReplay(ctx context.Context, n engine.NewReplay) (engine.Replay, error) {
	return ask[engine.Replay](ctx, c, request{method: http.MethodPost, in: newReplayOf(n), key: n.IdempotencyKey}, n.Company, "replays")
}

// PreviewReplay is Engine.PreviewReplay.
func (c *Client) PreviewReplay(ctx context.Context, n engine.NewReplay) (engine.ReplayPreview, error) {
	return ask[engine.ReplayPreview](ctx, c, request{method: http.MethodPost, in: newReplayOf(n)}, n.Company, "replays", "preview")
}

// Replays is Engine.Replays.
func (c *Client) Replays(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Replay], error) {
	return list[engine.Replay](ctx, c, paging(q.Limit, q.Cursor), q.Company, "replays")
}

// Replay is Engine.Replay.
func (c *Client) Replay(ctx context.Context, company, id string) (engine.Replay, error) {
	return ask[engine.Replay](ctx, c, request{method: http.MethodGet}, company, "replays", id)
}

// PauseReplay is Engine.PauseReplay.
func (c *Client) PauseReplay(ctx context.Context, company, id string) (engine.Replay, error) {
	return ask[engine.Replay](ctx, c, request{method: http.MethodPost}, company, "replays", id, "pause")
}

// ResumeReplay is Engine.ResumeReplay.
func (c *Client) ResumeReplay(ctx context.Context, company, id string) (engine.Replay, error) {
	return ask[engine.Replay](ctx, c, request{method: http.MethodPost}, company, "replays", id, "resume")
}

// CancelReplay is Engine.CancelReplay.
func (c *Client) CancelReplay(ctx context.Context, company, id string) (engine.Replay, error) {
	return ask[engine.Replay](ctx, c, request{method: http.MethodPost}, company, "replays", id, "cancel")
}
