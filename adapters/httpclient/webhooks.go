package httpclient

import (
	"context"
	"net/http"
	"time"

	"posthorn/engine"
)

// A settings is a webhook's as the API takes it: nil is not given.
type settings struct {
	URL         *string            `json:"url,omitempty"`
	EventTypes  *[]string          `json:"eventTypes,omitempty"`
	Description *string            `json:"description,omitempty"`
	Schedule    *[]engine.Duration `json:"schedule,omitempty"`
	Timeout     *engine.Duration   `json:"timeout,omitempty"`
	Seed        bool               `json:"seed,omitempty"`
}

// schedule keeps nil and empty apart: as it was, and no waits.
func schedule(in []time.Duration) *[]engine.Duration {
	if in == nil {
		return nil
	}
	out := make([]engine.Duration, len(in))
	for i, d := range in {
		out[i] = engine.Duration(d)
	}
	return &out
}

// RegisterWebhook is Engine.RegisterWebhook.
func (c *Client) RegisterWebhook(ctx context.Context, n engine.NewWebhook) (engine.Registered, error) {
	in := settings{
		URL: &n.URL, EventTypes: &n.EventTypes, Description: &n.Description, Schedule: schedule(n.Schedule), Seed: n.Seed,
	}
	if n.EventTypes == nil {
		in.EventTypes = &[]string{} // the engine has the words for none
	}
	if n.Timeout != 0 {
		timeout := engine.Duration(n.Timeout)
		in.Timeout = &timeout
	}
	return ask[engine.Registered](ctx, c, request{method: http.MethodPost, in: in, key: n.IdempotencyKey}, n.Company, "webhooks")
}

// Webhook is Engine.Webhook.
func (c *Client) Webhook(ctx context.Context, company, id string) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodGet}, company, "webhooks", id)
}

// Webhooks is Engine.Webhooks.
func (c *Client) Webhooks(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Webhook], error) {
	return list[engine.Webhook](ctx, c, paging(q.Limit, q.Cursor), q.Company, "webhooks")
}

// UpdateWebhook is Engine.UpdateWebhook.
func (c *Client) UpdateWebhook(ctx context.Context, e engine.WebhookEdit) (engine.Webhook, error) {
	in := settings{
		URL: e.URL, Description: e.Description, Schedule: schedule(e.Schedule), Timeout: (*engine.Duration)(e.Timeout),
	}
	if e.EventTypes != nil {
		in.EventTypes = &e.EventTypes
	}
	return ask[engine.Webhook](ctx, c, request{method: http.MethodPatch, in: in}, e.Company, "webhooks", e.ID)
}

// EnableWebhook is Engine.EnableWebhook.
func (c *Client) EnableWebhook(ctx context.Context, company, id string) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodPost}, company, "webhooks", id, "enable")
}

// DisableWebhook is Engine.DisableWebhook.
func (c *Client) DisableWebhook(ctx context.Context, company, id string) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodPost}, company, "webhooks", id, "disable")
}

// DeleteWebhook is Engine.DeleteWebhook.
func (c *Client) DeleteWebhook(ctx context.Context, company, id string) error {
	return c.tell(ctx, request{method: http.MethodDelete}, company, "webhooks", id)
}
