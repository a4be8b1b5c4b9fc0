package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

type callsQuery struct {
	Company   string    `doc:"The tenant's id"               path:"company"`
	Webhook   string    `doc:"Only calls of this webhook"    query:"webhook"`
	EventType string    `doc:"Only calls of this event type" query:"eventType"`
	State     string    `doc:"Only calls in this state"      enum:"pending,succeeded,failed,skipped,cancelled" query:"state"`
	Since     time.Time `doc:"Only calls created then or later" query:"since"`
	Until     time.Time `doc:"Only calls created before"     query:"until"`
	AsOf      time.Time `doc:"The calls as they were then, their states too, as far as they are kept" query:"asOf"`
	Limit     int       `default:"50"                        doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
	Cursor    string    `doc:"nextCursor of the page before" query:"cursor"`
}

func (s *server) addCalls(api huma.API) {
	const all, each = companyPath + "/calls", companyPath + "/calls/{id}"
	register(api, s.op("list-calls", http.MethodGet, all, "List calls, newest first", http.StatusOK),
		func(ctx context.Context, in *callsQuery) (*content[list[engine.Call]], error) {
			return replyPage(s.engine.CallPage(ctx, engine.CallQuery{
				Company: in.Company, Webhook: in.Webhook, EventType: in.EventType, State: engine.CallState(in.State),
				Since: in.Since, Until: in.Until, AsOf: in.AsOf, Limit: in.Limit, Cursor: in.Cursor,
			}))
		})
	register(api, s.op("retry-call", http.MethodPost, each+"/retry", "Make a new call of the same message", http.StatusAccepted),
		func(ctx context.Context, in *one) (*content[engine.Call], error) {
			return reply(s.engine.RetryCall(ctx, in.Company, in.ID))
		})
	register(api, s.op("cancel-call", http.MethodPost, each+"/cancel", "Cancel a call that waits", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Call], error) {
			return reply(s.engine.CancelCall(ctx, in.Company, in.ID))
		})
}

// withAttempts shows a list without entries, not null.
func withAttempts(detail engine.CallDetail) engine.CallDetail {
	if detail.Attempts == nil {
		detail.Attempts = []engine.Attempt{}
	}
	return detail
}
