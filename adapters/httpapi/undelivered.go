package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

type undeliveredQuery struct {
	Webhook   string    `doc:"Only calls of this webhook" query:"webhook"`
	EventType string    `doc:"Only this event type, or those of a prefix such as invoice.*" query:"eventType"`
	Kind      string    `doc:"Only what was not delivered in this way" enum:"failed,skipped,cancelled,waiting,unmatched" query:"kind"`
	Reason    string    `doc:"Only for this reason, as the counts have it" query:"reason"`
	Since     time.Time `doc:"Only what was created then or later" query:"since"`
	Until     time.Time `doc:"Only what was created before" query:"until"`
	Waiting   string    `default:"5m" doc:"How long an open call has waited to be listed" query:"waiting"`
	Count     string    `doc:"only leaves the rows out" enum:"only" query:"count"`
	Limit     int       `default:"50" doc:"How many rows at the most" maximum:"250" minimum:"1" query:"limit"`
	Cursor    string    `doc:"nextCursor of the page before" query:"cursor"`
}

// companyUndelivered repeats the fields, for huma reads none of embedded types that are not exported.
type companyUndelivered struct {
	Company   string    `doc:"The tenant's id" path:"company"`
	Webhook   string    `doc:"Only calls of this webhook" query:"webhook"`
	EventType string    `doc:"Only this event type, or those of a prefix such as invoice.*" query:"eventType"`
	Kind      string    `doc:"Only what was not delivered in this way" enum:"failed,skipped,cancelled,waiting,unmatched" query:"kind"`
	Reason    string    `doc:"Only for this reason, as the counts have it" query:"reason"`
	Since     time.Time `doc:"Only what was created then or later" query:"since"`
	Until     time.Time `doc:"Only what was created before" query:"until"`
	Waiting   string    `default:"5m" doc:"How long an open call has waited to be listed" query:"waiting"`
	Count     string    `doc:"only leaves the rows out" enum:"only" query:"count"`
	Limit     int       `default:"50" doc:"How many rows at the most" maximum:"250" minimum:"1" query:"limit"`
	Cursor    string    `doc:"nextCursor of the page before" query:"cursor"`
}

// undeliveredList is a list with counts, which only its first page has.
type undeliveredList struct {
	Counts     *engine.UndeliveredCounts `doc:"Of all that was asked for; on the first page" json:"counts,omitempty"`
	Data       []engine.Undelivered      `json:"data" nullable:"false"`
	NextCursor string                    `doc:"The next page's cursor, absent on the last; a short page may have one" json:"nextCursor,omitempty"`
}

func (s *server) addUndelivered(api huma.API) {
	register(api, s.op("list-undelivered", http.MethodGet, companyPath+"/undelivered",
		"Tell what was not delivered: counts, then rows, the newest of each kind first", http.StatusOK),
		func(ctx context.Context, in *companyUndelivered) (*content[undeliveredList], error) {
			return s.undelivered(ctx, in.Company, undeliveredQuery{
				Webhook: in.Webhook, EventType: in.EventType, Kind: in.Kind, Reason: in.Reason, Since: in.Since, Until: in.Until,
				Waiting: in.Waiting, Count: in.Count, Limit: in.Limit, Cursor: in.Cursor,
			})
		})
	register(api, s.op("list-all-undelivered", http.MethodGet, "/v1/undelivered",
		"Tell what was not delivered of all companies: counts, then rows", http.StatusOK),
		func(ctx context.Context, in *undeliveredQuery) (*content[undeliveredList], error) {
			return s.undelivered(ctx, "", *in)
		})
}

func (s *server) undelivered(ctx context.Context, company string, in undeliveredQuery) (*content[undeliveredList], error) {
	var d durations
	q := engine.UndeliveredQuery{
		Company: company, Webhook: in.Webhook, EventType: in.EventType, Kind: engine.UndeliveredKind(in.Kind), Reason: in.Reason,
		Since: in.Since, Until: in.Until, WaitingLonger: d.optional("waiting", in.Waiting), CountOnly: in.Count == "only",
		Limit: in.Limit, Cursor: in.Cursor,
	}
	if err := d.err(); err != nil {
		return nil, problemOf(err, inQuery)
	}
	page, err := s.engine.Undelivered(ctx, q)
	if err != nil {
		return nil, problemOf(err, inQuery)
	}
	if page.Items == nil {
		page.Items = []engine.Undelivered{}
	}
	return &content[undeliveredList]{undeliveredList{Counts: page.Counts, Data: page.Items, NextCursor: page.Next}}, nil
}
