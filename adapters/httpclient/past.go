package httpclient

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"posthorn/engine"
)

// WebhookAsOf is Engine.WebhookAsOf; the zero time is now.
func (c *Client) WebhookAsOf(ctx context.Context, company, id string, at time.Time) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodGet, query: asOf(at)}, company, "webhooks", id)
}

// CallAsOf is Engine.CallAsOf; the zero time is now.
func (c *Client) CallAsOf(ctx context.Context, company, id string, at time.Time) (engine.CallDetail, error) {
	return ask[engine.CallDetail](ctx, c, request{method: http.MethodGet, query: asOf(at)}, company, "calls", id)
}

func asOf(at time.Time) url.Values {
	query := url.Values{}
	setTime(query, "asOf", at)
	return query
}

// WebhookTimeline is Engine.WebhookTimeline.
func (c *Client) WebhookTimeline(ctx context.Context, q engine.TimelineQuery) (engine.Page[engine.TimelineEntry], error) {
	return list[engine.TimelineEntry](ctx, c, paging(q.Limit, q.Cursor), q.Company, "webhooks", q.Webhook, "timeline")
}
