package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

// oneAsOf is one, now or at a past time.
type oneAsOf struct {
	Company string    `doc:"The tenant's id" path:"company"`
	ID      string    `path:"id"`
	AsOf    time.Time `doc:"As it was then, as far as that is kept" query:"asOf"`
}

type timelineQuery struct {
	Company string `doc:"The tenant's id" path:"company"`
	ID      string `path:"id"`
	Limit   int    `default:"50"                        doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
	Cursor  string `doc:"nextCursor of the page before" query:"cursor"`
}

func (s *server) addPast(api huma.API) {
	const webhook = companyPath + "/webhooks/{id}"
	register(api, s.op("get-webhook", http.MethodGet, webhook, "Get a webhook", http.StatusOK), s.webhook)
	register(api, s.op("get-webhook-timeline", http.MethodGet, webhook+"/timeline",
		"List what changed in a webhook, and who did it, oldest first; of a deleted one too", http.StatusOK), s.timeline)
	register(api, s.op("get-call", http.MethodGet, companyPath+"/calls/{id}", "Get a call with its attempts, timeline and body", http.StatusOK), s.call)
}

func (s *server) webhook(ctx context.Context, in *oneAsOf) (*content[engine.Webhook], error) {
	if in.AsOf.IsZero() {
		return reply(s.engine.Webhook(ctx, in.Company, in.ID))
	}
	return reply(s.engine.WebhookAsOf(ctx, in.Company, in.ID, in.AsOf))
}

func (s *server) timeline(ctx context.Context, in *timelineQuery) (*content[list[engine.TimelineEntry]], error) {
	page, err := s.engine.WebhookTimeline(ctx, engine.TimelineQuery{Company: in.Company, Webhook: in.ID, Limit: in.Limit, Cursor: in.Cursor})
	for i, change := range page.Items {
		page.Items[i].By = shownTo(accessOf(ctx), change.By)
	}
	return replyPage(page, err)
}

func (s *server) call(ctx context.Context, in *oneAsOf) (*content[engine.CallDetail], error) {
	get := s.engine.Call
	if !in.AsOf.IsZero() {
		get = func(ctx context.Context, company, id string) (engine.CallDetail, error) {
			return s.engine.CallAsOf(ctx, company, id, in.AsOf)
		}
	}
	detail, err := get(ctx, in.Company, in.ID)
	shown(ctx, detail.Timeline)
	return reply(withAttempts(detail), err)
}
