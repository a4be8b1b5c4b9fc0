package main

import (
	"context"
	"strings"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type webhookCmd struct {
	Create       webhookCreateCmd   `cmd:"" help:"Register a webhook; its secret is shown this once."`
	List         webhookListCmd     `cmd:"" help:"List webhooks, oldest first."`
	Get          webhookGetCmd      `cmd:"" aliases:"show" help:"Show a webhook."`
	Timeline     webhookTimelineCmd `cmd:"" help:"List what changed in a webhook, when, and who did it; of a deleted one too."`
	Update       webhookUpdateCmd   `cmd:"" help:"Change settings; what is not given stays."`
	Enable       webhookEnableCmd   `cmd:"" help:"Let new messages reach it again."`
	Disable      webhookDisableCmd  `cmd:"" help:"Skip its messages and cancel its waiting calls."`
	Pause        webhookPauseCmd    `cmd:"" help:"Let its calls wait, those to come too."`
	Resume       webhookResumeCmd   `cmd:"" help:"Let its calls go on."`
	RotateSecret webhookRotateCmd   `cmd:"" help:"Put a new secret in force, shown this once; the old one signs too for a time."`
	Test         webhookTestCmd     `cmd:"" help:"Make one call of one attempt, and wait for its end. Exit code 1 unless it succeeded."`
	Delete       webhookDeleteCmd   `cmd:"" help:"Delete it and cancel its waiting calls; its history stays."`
}

type webhookCreateCmd struct {
	companyFlags
	webhookFlags
	secretFlags

	URL            string   `help:"Where to call." name:"url" required:""`
	Event          []string `help:"Event type to hear of: invoice.paid, invoice.* or *. Repeatable." placeholder:"TYPE" required:""`
	IdempotencyKey string   `help:"Makes the command safe to repeat for 24 hours." placeholder:"KEY"`
}

// Run registers a webhook.
func (c *webhookCreateCmd) Run(p *program) error {
	edit, err := c.edit(p)
	if err != nil {
		return err
	}
	n := engine.NewWebhook{
		Company: c.Company, URL: c.URL, EventTypes: c.Event, Filter: or(edit.Filter), Headers: edit.Headers,
		Description: or(edit.Description), Metadata: edit.Metadata, Schedule: edit.Schedule, Timeout: or(edit.Timeout),
		MaxAge: or(edit.MaxAge), InFlight: or(edit.InFlight), Rate: or(edit.Rate), Sequential: or(edit.Sequential),
		IdempotencyKey: c.IdempotencyKey,
	}
	if n.Secret, err = c.secret(p); err != nil {
		return err
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Registered, error) {
		return client.RegisterWebhook(ctx, n)
	}, showRegistered)
}

// or is what a flag was given, or zero.
func or[T any](given *T) (value T) {
	if given != nil {
		value = *given
	}
	return value
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

type webhookGetCmd struct {
	webhookID

	AsOf moment `help:"As it was then: RFC 3339, or a duration ago such as 2h." placeholder:"TIME"`
}

// Run shows a webhook.
func (c *webhookGetCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.WebhookAsOf(ctx, c.Company, c.ID, time.Time(c.AsOf))
	}, showWebhook)
}

type webhookUpdateCmd struct {
	webhookID
	webhookFlags

	URL        *string  `help:"Where to call." name:"url"`
	Event      []string `help:"Event types to hear of, in place of those so far. Repeatable." placeholder:"TYPE"`
	NoHeaders  bool     `help:"Send no headers of its own any more."`
	NoMetadata bool     `help:"Remove all metadata."`
}

// Run changes a webhook.
func (c *webhookUpdateCmd) Run(p *program) error {
	edit, err := c.edit(p)
	if err != nil {
		return err
	}
	edit.Company, edit.ID, edit.URL, edit.EventTypes = c.Company, c.ID, c.URL, c.Event
	if c.NoHeaders {
		edit.Headers = map[string]string{}
	}
	if c.NoMetadata {
		edit.Metadata = map[string]string{}
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

type webhookPauseCmd struct{ webhookID }

// Run pauses a webhook.
func (c *webhookPauseCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.PauseWebhook(ctx, c.Company, c.ID)
	}, showWebhook)
}

type webhookResumeCmd struct{ webhookID }

// Run resumes a webhook.
func (c *webhookResumeCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Webhook, error) {
		return client.ResumeWebhook(ctx, c.Company, c.ID)
	}, showWebhook)
}

type webhookDeleteCmd struct{ webhookID }

// Run deletes a webhook.
func (c *webhookDeleteCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (done, error) {
		return done{"deleted", c.ID}, client.DeleteWebhook(ctx, c.Company, c.ID)
	}, func(t table, d done) { d.show(t) })
}
