package main

import (
	"context"
	"strings"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type webhookCmd struct {
	Create  webhookCreateCmd  `cmd:"" help:"Register a webhook; its secret is shown this once."`
	List    webhookListCmd    `cmd:"" help:"List webhooks, oldest first."`
	Get     webhookGetCmd     `cmd:"" help:"Show a webhook."`
	Update  webhookUpdateCmd  `cmd:"" help:"Change settings; what is not given stays."`
	Enable  webhookEnableCmd  `cmd:"" help:"Let new messages reach it again."`
	Disable webhookDisableCmd `cmd:"" help:"Skip its messages and cancel its waiting calls."`
	Delete  webhookDeleteCmd  `cmd:"" help:"Delete it and cancel its waiting calls; its history stays."`
}

type webhookCreateCmd struct {
	companyFlags

	URL            string          `help:"Where to call." name:"url" required:""`
	Event          []string        `help:"Event type to hear of: invoice.paid, invoice.* or *. Repeatable." placeholder:"TYPE" required:""`
	Description    string          `help:"Free text." placeholder:"TEXT"`
	Schedule       []time.Duration `help:"Waits between attempts, such as 5s,5m,2h." placeholder:"WAIT"`
	NoRetry        bool            `help:"A single attempt, no schedule." xor:"schedule"`
	Timeout        time.Duration   `help:"What one attempt may take." placeholder:"15s"`
	IdempotencyKey string          `help:"Makes the command safe to repeat for 24 hours." placeholder:"KEY"`
}

// Run registers a webhook.
func (c *webhookCreateCmd) Run(p *program) error {
	n := engine.NewWebhook{
		Company: c.Company, URL: c.URL, EventTypes: c.Event, Description: c.Description,
		Schedule: schedule(c.Schedule, c.NoRetry), Timeout: c.Timeout, IdempotencyKey: c.IdempotencyKey,
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Registered, error) {
		return client.RegisterWebhook(ctx, n)
	}, func(t table, r engine.Registered) {
		showWebhook(t, r.Webhook)
		t.field("secret", r.Secret)
	})
}

// schedule keeps nil, the engine's default, apart from empty, a single attempt.
func schedule(waits []time.Duration, none bool) []time.Duration {
	if none {
		return []time.Duration{}
	}
	return waits
}

type webhookListCmd struct {
	companyFlags
	pageFlags
}

// Run lists webhooks.
func (c *webhookListCmd) Run(p *program) error {
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.Webhook], error) {
		return client.Webhooks(ctx, c.list(c.pageFlags))
	}, func(t table, all []engine.Webhook) {
		t.row("ID", "STATE", "EVENTS", "URL", "DESCRIPTION")
		for _, w := range all {
			t.row(w.ID, webhookState(w), strings.Join(w.EventTypes, ","), w.URL, w.Description)
		}
	})
}

// webhookID names one webhook.
type webhookID struct {
	companyFlags

	ID string `arg:"" help:"The webhook's id."`
}

type webhookGetCmd struct{ webhookID }

// Run shows a webhook.
func (c *webhookGetCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.Webhook(ctx, c.Company, c.ID)
	}, showWebhook)
}

type webhookUpdateCmd struct {
	webhookID

	URL         *string         `help:"Where to call." name:"url"`
	Event       []string        `help:"Event types to hear of, in place of those so far. Repeatable." placeholder:"TYPE"`
	Description *string         `help:"Free text." placeholder:"TEXT"`
	Schedule    []time.Duration `help:"Waits between attempts, for decisions from now on." placeholder:"WAIT"`
	NoRetry     bool            `help:"A single attempt, no schedule." xor:"schedule"`
	Timeout     *time.Duration  `help:"What one attempt may take." placeholder:"15s"`
}

// Run changes a webhook.
func (c *webhookUpdateCmd) Run(p *program) error {
	edit := engine.WebhookEdit{
		Company: c.Company, ID: c.ID, URL: c.URL, EventTypes: c.Event, Description: c.Description,
		Schedule: schedule(c.Schedule, c.NoRetry), Timeout: c.Timeout,
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.UpdateWebhook(ctx, edit)
	}, showWebhook)
}

type webhookEnableCmd struct{ webhookID }

// Run enables a webhook.
func (c *webhookEnableCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.EnableWebhook(ctx, c.Company, c.ID)
	}, showWebhook)
}

type webhookDisableCmd struct{ webhookID }

// Run disables a webhook.
func (c *webhookDisableCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.DisableWebhook(ctx, c.Company, c.ID)
	}, showWebhook)
}

type webhookDeleteCmd struct{ webhookID }

// Run deletes a webhook.
func (c *webhookDeleteCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (done, error) {
		return done{"deleted", c.ID}, client.DeleteWebhook(ctx, c.Company, c.ID)
	}, func(t table, d done) { d.show(t) })
}

func webhookState(w engine.Webhook) string {
	switch {
	case w.Enabled:
		return "enabled"
	case w.DisabledReason != "":
		return "disabled (" + w.DisabledReason + ")"
	default:
		return "disabled"
	}
}

func showWebhook(t table, w engine.Webhook) {
	waits := make([]string, len(w.Schedule))
	for i, wait := range w.Schedule {
		waits[i] = wait.String()
	}
	t.field("id", w.ID)
	t.field("company", w.Company)
	t.field("url", w.URL)
	t.field("events", strings.Join(w.EventTypes, " "))
	t.field("description", w.Description)
	t.field("state", webhookState(w))
	t.field("schedule", strings.Join(waits, " "))
	t.field("timeout", w.Timeout)
	t.field("created", w.CreatedAt)
}
