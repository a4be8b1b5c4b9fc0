package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
	"posthorn/engine/core"
)

type newReplay struct {
	Mode      string    `doc:"same makes the calls of the range again; match asks today's webhooks for its messages, and calls those that have not got them" enum:"same,match" json:"mode"` //nolint:lll // a tag
	Webhook   string    `doc:"Only calls of this webhook; with match, only calls to it"       json:"webhook,omitempty"`
	EventType string    `doc:"Only this event type"                                           json:"eventType,omitempty"`
	State     string    `doc:"Only calls in this state; with match, the messages that have one" enum:"pending,succeeded,failed,skipped,cancelled" json:"state,omitempty"` //nolint:lll // a tag
	Since     time.Time `doc:"Only what was created then or later"                            json:"since,omitzero" required:"false"`
	Until     time.Time `doc:"Only what was created before"                                   json:"until,omitzero" required:"false"`
	Rate      float64   `doc:"The most calls to request a second; 0 for 200"                  json:"rate,omitempty" maximum:"1000" minimum:"0"`
}

func (n newReplay) of(company, key string) engine.NewReplay {
	return engine.NewReplay{
		Company: company, Mode: core.ReplayMode(n.Mode), Rate: n.Rate, IdempotencyKey: key,
		Query: engine.ReplayQuery{
			Webhook: n.Webhook, EventType: n.EventType, State: engine.CallState(n.State), Since: core.StampOf(n.Since), Until: core.StampOf(n.Until),
		},
	}
}

func (s *server) addReplays(api huma.API) {
	const all, each = companyPath + "/replays", companyPath + "/replays/{id}"
	register(api, s.op("start-replay", http.MethodPost, all, "Send a part of the history again, in the background", http.StatusAccepted),
		func(ctx context.Context, in *creation[newReplay]) (*content[engine.Replay], error) {
			return reply(s.engine.StartReplay(ctx, in.Body.of(in.Company, in.IdempotencyKey)))
		})
	register(api, s.op("preview-replay", http.MethodPost, all+"/preview", "Say what a replay would send to whom, and why not more", http.StatusOK),
		func(ctx context.Context, in *struct {
			Company string `doc:"The tenant's id" path:"company"`
			Body    newReplay
		},
		) (*content[engine.ReplayPreview], error) {
			return reply(s.engine.PreviewReplay(ctx, in.Body.of(in.Company, "")))
		})
	register(api, s.op("list-replays", http.MethodGet, all, "List replays, newest first", http.StatusOK),
		func(ctx context.Context, in *paged) (*content[list[engine.Replay]], error) {
			return replyPage(s.engine.Replays(ctx, in.query()))
		})
	register(api, s.op("get-replay", http.MethodGet, each, "Get a replay with how far it has come", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Replay], error) {
			return reply(s.engine.Replay(ctx, in.Company, in.ID))
		})
	register(api, s.op("pause-replay", http.MethodPost, each+"/pause", "Request no more calls until it is resumed", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Replay], error) {
			return reply(s.engine.PauseReplay(ctx, in.Company, in.ID))
		})
	register(api, s.op("resume-replay", http.MethodPost, each+"/resume", "Go on with a paused replay", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Replay], error) {
			return reply(s.engine.ResumeReplay(ctx, in.Company, in.ID))
		})
	register(api, s.op("cancel-replay", http.MethodPost, each+"/cancel", "End a replay; the calls that it has requested go on", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Replay], error) {
			return reply(s.engine.CancelReplay(ctx, in.Company, in.ID))
		})
}
