package httpclient

import (
	"context"
	"net/http"

	"posthorn/engine"
)

// Undelivered is Engine.Undelivered. Without a company it needs a key of scope admin.
func (c *Client) Undelivered(ctx context.Context, q engine.UndeliveredQuery) (engine.UndeliveredPage, error) {
	query := paging(q.Limit, q.Cursor)
	set(query, "webhook", q.Webhook)
	set(query, "eventType", q.EventType)
	set(query, "kind", string(q.Kind))
	set(query, "reason", q.Reason)
	setTime(query, "since", q.Since)
	setTime(query, "until", q.Until)
	if q.WaitingLonger != 0 {
		query.Set("waiting", q.WaitingLonger.String())
	}
	if q.CountOnly {
		query.Set("count", "only")
	}
	path := "/v1/undelivered"
	if q.Company != "" {
		var err error
		if path, err = place(q.Company, "undelivered"); err != nil {
			return engine.UndeliveredPage{}, err
		}
	}
	var out struct {
		Counts     *engine.UndeliveredCounts `json:"counts"`
		Data       []engine.Undelivered      `json:"data"`
		NextCursor string                    `json:"nextCursor"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: path, query: query, out: &out})
	return engine.UndeliveredPage{Counts: out.Counts, Page: engine.Page[engine.Undelivered]{Items: out.Data, Next: out.NextCursor}}, err
}
