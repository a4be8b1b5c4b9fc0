package main

import (
	"context"
	"encoding/json"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type webhookTimelineCmd struct {
	webhookID
	pageFlags
}

// Run lists what changed in a webhook: a line for each field, secrets never.
func (c *webhookTimelineCmd) Run(p *program) error {
	q := engine.TimelineQuery{Company: c.Company, Webhook: c.ID, Limit: int(c.Limit), Cursor: c.Cursor}
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.TimelineEntry], error) {
		return client.WebhookTimeline(ctx, q)
	}, func(t table, all []engine.TimelineEntry) {
		t.row("AT", "BY", "EVENT", "FIELD", "FROM", "TO")
		for _, entry := range all {
			showEntry(t, entry)
		}
	})
}

func showEntry(t table, entry engine.TimelineEntry) {
	if len(entry.Changes) == 0 {
		t.row(entry.At, askedBy(entry.By), entry.Type, "", "", "")
	}
	for _, change := range entry.Changes {
		t.row(entry.At, askedBy(entry.By), entry.Type, change.Field, jsonText(change.From), jsonText(change.To))
	}
}

// jsonText shows a text without its quotes, and all else as the JSON that it is.
func jsonText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return cut(text)
	}
	return cut(string(raw))
}
