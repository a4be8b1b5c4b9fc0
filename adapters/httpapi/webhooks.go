package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
	"posthorn/engine/core"
)

type newWebhook struct {
	URL         string   `doc:"Where to call: absolute, http or https" json:"url"`
	EventTypes  []string `doc:"Names (invoice.paid), prefixes (invoice.*) or * for all" json:"eventTypes" nullable:"false"`
	Description string   `doc:"Free text" json:"description,omitempty"`
	Schedule    []string `doc:"The waits between attempts, such as 5s, 2m, 1h30m; empty means a single attempt" json:"schedule,omitempty"`
	Timeout     string   `doc:"What one attempt may take, such as 15s" json:"timeout,omitempty"`
	Seed        bool     `doc:"By the rules of the replaced system: one for a company and event type" json:"seed,omitempty"`
}

type webhookChange struct {
	URL         *string  `json:"url,omitempty"`
	EventTypes  []string `json:"eventTypes,omitempty"`
	Description *string  `json:"description,omitempty"`
	Schedule    []string `doc:"Holds for decisions from now on; times already decided stay" json:"schedule,omitempty"`
	Timeout     *string  `json:"timeout,omitempty"`
}

func (s *server) addWebhooks(api huma.API) {
	const all, each = companyPath + "/webhooks", companyPath + "/webhooks/{id}"
	create := s.op("create-webhook", http.MethodPost, all, "Register a webhook; its secret is shown this once", http.StatusCreated)
	register(api, create, s.createWebhook)
	register(api, s.op("list-webhooks", http.MethodGet, all, "List webhooks, oldest first", http.StatusOK),
		func(ctx context.Context, in *paged) (*content[list[engine.Webhook]], error) {
			return replyPage(s.engine.Webhooks(ctx, in.query()))
		})
	register(api, s.op("get-webhook", http.MethodGet, each, "Get a webhook", http.StatusOK), onWebhook(s.engine.Webhook))
	register(api, s.op("update-webhook", http.MethodPatch, each, "Change a webhook's settings", http.StatusOK), s.updateWebhook)
	register(api, s.op("enable-webhook", http.MethodPost, each+"/enable", "Let messages reach it again", http.StatusOK),
		onWebhook(s.engine.EnableWebhook))
	register(api, s.op("disable-webhook", http.MethodPost, each+"/disable", "Skip its messages, cancel its waiting calls", http.StatusOK),
		onWebhook(s.engine.DisableWebhook))
	register(api, s.op("delete-webhook", http.MethodDelete, each, "Delete it and cancel its waiting calls", http.StatusNoContent),
		func(ctx context.Context, in *one) (*empty, error) {
			return replyEmpty(s.engine.DeleteWebhook(ctx, in.Company, in.ID))
		})
}

func onWebhook(do func(ctx context.Context, company, id string) (engine.Webhook, error)) func(
	context.Context, *one) (*content[engine.Webhook], error,
) {
	return func(ctx context.Context, in *one) (*content[engine.Webhook], error) {
		return reply(do(ctx, in.Company, in.ID))
	}
}

func (s *server) createWebhook(ctx context.Context, in *creation[newWebhook]) (*content[engine.Registered], error) {
	var d durations
	n := engine.NewWebhook{
		Company: in.Company, URL: in.Body.URL, EventTypes: in.Body.EventTypes, Description: in.Body.Description,
		Schedule: d.list("schedule", in.Body.Schedule), Seed: in.Body.Seed, IdempotencyKey: in.IdempotencyKey,
	}
	if in.Body.Timeout != "" {
		n.Timeout = d.one("timeout", in.Body.Timeout)
	}
	if err := d.err(); err != nil {
		return nil, problemOf(err, inBody)
	}
	return reply(s.engine.RegisterWebhook(ctx, n))
}

func (s *server) updateWebhook(ctx context.Context, in *onOne[webhookChange]) (*content[engine.Webhook], error) {
	var d durations
	edit := engine.WebhookEdit{
		Company: in.Company, ID: in.ID, URL: in.Body.URL, EventTypes: in.Body.EventTypes, Description: in.Body.Description,
		Schedule: d.list("schedule", in.Body.Schedule),
	}
	if in.Body.Timeout != nil {
		timeout := d.one("timeout", *in.Body.Timeout)
		edit.Timeout = &timeout
	}
	if err := d.err(); err != nil {
		return nil, problemOf(err, inBody)
	}
	return reply(s.engine.UpdateWebhook(ctx, edit))
}

// durations reads waits and keeps what is wrong with them, by place.
type durations []engine.Problem

// list keeps nil and empty apart: not given, and no waits.
func (d *durations) list(field string, texts []string) []time.Duration {
	if texts == nil {
		return nil
	}
	out := make([]time.Duration, len(texts))
	for i, text := range texts {
		out[i] = d.one(fmt.Sprintf("%s[%d]", field, i), text)
	}
	return out
}

func (d *durations) one(field, text string) time.Duration {
	var parsed core.Duration
	if err := parsed.UnmarshalText([]byte(text)); err != nil {
		*d = append(*d, engine.Problem{Field: field, Text: err.Error()})
	}
	return time.Duration(parsed)
}

func (d *durations) err() error {
	if len(*d) == 0 {
		return nil
	}
	return &engine.InvalidError{Problems: *d}
}
