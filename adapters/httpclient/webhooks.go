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
	Filter      *string            `json:"filter,omitempty"`
	Headers     *map[string]string `json:"headers,omitempty"`
	Description *string            `json:"description,omitempty"`
	Metadata    *map[string]string `json:"metadata,omitempty"`
	Schedule    *[]engine.Duration `json:"schedule,omitempty"`
	Timeout     *engine.Duration   `json:"timeout,omitempty"`
	MaxAge      *engine.Duration   `json:"maxAge,omitempty"`
	InFlight    *int               `json:"inFlight,omitempty"`
	Rate        *float64           `json:"rate,omitempty"`
	Sequential  *bool              `json:"sequential,omitempty"`
	Secret      string             `json:"secret,omitempty"`
	Seed        bool               `json:"seed,omitempty"`
}

// unless is a field's value, nil for the zero value: that takes the server's default.
func unless[T comparable](zero, value T) *T {
	if value == zero {
		return nil
	}
	return &value
}

// pairs keeps nil and empty apart: as they were, and none.
func pairs(in map[string]string) *map[string]string {
	if in == nil {
		return nil
	}
	return &in
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
		URL: &n.URL, EventTypes: &n.EventTypes, Filter: &n.Filter, Headers: pairs(n.Headers), Description: &n.Description,
		Metadata: pairs(n.Metadata), Schedule: schedule(n.Schedule), Timeout: (*engine.Duration)(unless(0, n.Timeout)),
		MaxAge: (*engine.Duration)(unless(0, n.MaxAge)), InFlight: unless(0, n.InFlight), Rate: unless(0, n.Rate),
		Sequential: &n.Sequential, Secret: n.Secret, Seed: n.Seed,
	}
	if n.EventTypes == nil {
		in.EventTypes = &[]string{} // the engine has the words for none
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
		URL: e.URL, Filter: e.Filter, Headers: pairs(e.Headers), Description: e.Description, Metadata: pairs(e.Metadata),
		Schedule: schedule(e.Schedule), Timeout: (*engine.Duration)(e.Timeout), MaxAge: (*engine.Duration)(e.MaxAge),
		InFlight: e.InFlight, Rate: e.Rate, Sequential: e.Sequential,
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

// PauseWebhook is Engine.PauseWebhook.
func (c *Client) PauseWebhook(ctx context.Context, company, id string) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodPost}, company, "webhooks", id, "pause")
}

// ResumeWebhook is Engine.ResumeWebhook.
func (c *Client) ResumeWebhook(ctx context.Context, company, id string) (engine.Webhook, error) {
	return ask[engine.Webhook](ctx, c, request{method: http.MethodPost}, company, "webhooks", id, "resume")
}

// RotateSecret is Engine.RotateSecret.
func (c *Client) RotateSecret(ctx context.Context, r engine.Rotation) (engine.Registered, error) {
	in := struct {
		Secret  string           `json:"secret,omitempty"`
		Overlap *engine.Duration `json:"overlap,omitempty"`
	}{r.Secret, (*engine.Duration)(r.Overlap)}
	return ask[engine.Registered](ctx, c, request{method: http.MethodPost, in: in}, r.Company, "webhooks", r.ID, "secret", "rotate")
}

// TestWebhook is Engine.TestWebhook. The server waits for the webhook's timeout and some seconds more, and then answers with the call as it
// stands. When ctx ends before, its error is returned, and the call goes on.
func (c *Client) TestWebhook(ctx context.Context, company, id string) (engine.CallDetail, error) {
	return ask[engine.CallDetail](ctx, c, request{method: http.MethodPost}, company, "webhooks", id, "test")
}

// DeleteWebhook is Engine.DeleteWebhook.
func (c *Client) DeleteWebhook(ctx context.Context, company, id string) error {
	return c.tell(ctx, request{method: http.MethodDelete}, company, "webhooks", id)
}
