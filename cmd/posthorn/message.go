package main

import (
	"context"
	"encoding/json"
	"strings"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type messageCmd struct {
	Publish messagePublishCmd `cmd:"" help:"Tell the webhooks that asked."`
	Erase   messageEraseCmd   `cmd:"" help:"Erase its data and what was answered, and cancel its waiting calls."`
}

type messagePublishCmd struct {
	companyFlags

	EventType      string `arg:"" help:"Words joined by dots, such as invoice.paid."`
	Data           string `help:"JSON to send along: itself, @file, or - for stdin." placeholder:"JSON"`
	Resource       string `help:"Resource that it is about; its version in force goes along." placeholder:"TYPE/ID"`
	IdempotencyKey string `help:"Makes the command safe to repeat for 24 hours." placeholder:"KEY"`
}

// Run publishes a message.
func (c *messagePublishCmd) Run(p *program) error {
	n := engine.NewMessage{Company: c.Company, EventType: c.EventType, IdempotencyKey: c.IdempotencyKey}
	if c.Data != "" {
		raw, err := p.text(c.Data)
		if err != nil {
			return err
		}
		if !json.Valid(raw) {
			return refuse("data is refused: it is not JSON; correct it, or quote it as a JSON string")
		}
		n.Data = raw
	}
	if c.Resource != "" {
		kind, id, ok := strings.Cut(c.Resource, "/")
		if !ok || kind == "" || id == "" {
			return refuse("resource %q is refused: it names a type and an id; write it as candidate/cand_...", c.Resource)
		}
		n.ResourceType, n.ResourceID = kind, id
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Message, error) {
		return client.Publish(ctx, n)
	}, func(t table, m engine.Message) {
		t.field("id", m.ID)
		t.field("company", m.Company)
		t.field("event", m.EventType)
		t.field("calls", m.Calls)
		t.field("created", m.CreatedAt)
	})
}
