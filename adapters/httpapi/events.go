package httpapi

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"posthorn/engine"
)

type eventsQuery struct {
	After uint64 `doc:"Only events after this seq: nextCursor of the page before" query:"after"`
	Type  string `doc:"Only events of this type, such as CallFailed" query:"type"`
	Limit int    `default:"50" doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
}

type companyEvents struct {
	Company string `doc:"The tenant's id" path:"company"`
	After   uint64 `doc:"Only events after this seq: nextCursor of the page before" query:"after"`
	Type    string `doc:"Only events of this type, such as CallFailed" query:"type"`
	Limit   int    `default:"50" doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
}

type streamQuery struct {
	After  uint64 `doc:"Begin after this seq; 0 begins with the oldest event" query:"after"`
	LastID uint64 `doc:"Sent by a browser that connects again; stronger than after" header:"Last-Event-ID"`
}

type companyStream struct {
	Company string `doc:"The tenant's id" path:"company"`
	After   uint64 `doc:"Begin after this seq; 0 begins with the oldest event" query:"after"`
	LastID  uint64 `doc:"Sent by a browser that connects again; stronger than after" header:"Last-Event-ID"`
}

func (s *server) addEvents(api huma.API) {
	const ours, all = companyPath + "/events", "/v1/events"
	register(api, s.op("list-events", http.MethodGet, ours, "List a company's events, oldest first", http.StatusOK),
		func(ctx context.Context, in *companyEvents) (*content[list[engine.Event]], error) {
			return s.eventPage(ctx, engine.EventQuery{Company: in.Company, Type: in.Type, After: in.After, Limit: in.Limit})
		})
	register(api, s.op("list-all-events", http.MethodGet, all, "List all events, or to a key of a company its own, oldest first", http.StatusOK),
		func(ctx context.Context, in *eventsQuery) (*content[list[engine.Event]], error) {
			return s.eventPage(ctx, engine.EventQuery{Company: accessOf(ctx).Company, Type: in.Type, After: in.After, Limit: in.Limit})
		})
	register(api, s.streamOp("stream-events", ours+"/stream", "Follow a company's events, as server-sent events"),
		func(_ context.Context, in *companyStream) (*huma.StreamResponse, error) {
			return s.streamed(in.Company, cmp.Or(in.LastID, in.After)), nil
		})
	register(api, s.streamOp("stream-all-events", all+"/stream", "Follow all events, or to a key of a company its own, as server-sent events"),
		func(ctx context.Context, in *streamQuery) (*huma.StreamResponse, error) {
			return s.streamed(accessOf(ctx).Company, cmp.Or(in.LastID, in.After)), nil
		})
}

func (s *server) eventPage(ctx context.Context, q engine.EventQuery) (*content[list[engine.Event]], error) {
	page, err := s.engine.Events(ctx, q)
	shown(ctx, page.Items)
	return replyPage(page, err)
}

func (s *server) streamOp(id, path, summary string) huma.Operation {
	op := s.op(id, http.MethodGet, path, summary, http.StatusOK)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Events as they happen: id is the seq, event the type, data the event; a comment at least every 15 s",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	return op
}

func (s *server) streamed(company string, after uint64) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		s.stream(w, r, company, after)
	}}
}
