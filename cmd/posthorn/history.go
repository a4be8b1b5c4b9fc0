package main

import (
	"cmp"
	"context"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/core"
)

// historyCmd is the table that the replaced system's page shows, with its words for the states. Calls that were skipped or cancelled,
// which that system did not have, show as what they are.
type historyCmd struct {
	clientFlags
	callFilters
	pageFlags

	Of      string            `arg:"" help:"The company whose calls to show; or give --company." name:"company" optional:""`
	Company string            `env:"POSTHORN_COMPANY" help:"The company to act for." placeholder:"ID"`
	Status  *engine.CallState `enum:"pending,success,failed,skipped,cancelled" help:"Only calls with this status: pending, success, failed, skipped or cancelled." placeholder:"STATUS"` //nolint:lll // a tag
}

// Run prints a company's calls, newest first.
func (c *historyCmd) Run(p *program) error {
	if c.Status != nil && *c.Status == "success" {
		*c.Status = core.Succeeded
	}
	company := cmp.Or(c.Of, c.Company)
	if company == "" {
		return refuse("the history of no company is refused: calls belong to companies; name one, or set POSTHORN_COMPANY")
	}
	q := c.query(company, c.pageFlags, c.Status)
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.Call], error) {
		return client.CallPage(ctx, q)
	}, func(t table, all []engine.Call) {
		t.row("CREATED", "STATUS", "EVENT", "CALL", "URL", "OUTPUT")
		for _, one := range all {
			t.row(one.CreatedAt, historyStatus(one.State), one.EventType, one.ID, one.URL, historyOutput(one))
		}
	})
}

func historyStatus(s engine.CallState) string {
	if s == core.Succeeded {
		return "success"
	}
	return string(s)
}

// historyOutput says why a call has not succeeded, as far as it is known.
func historyOutput(c engine.Call) string {
	last := c.LastError
	if last == "" && c.LastStatus != 0 {
		last = "the receiver answered " + status(c.LastStatus)
	}
	switch {
	case c.State == core.Succeeded:
		return ""
	case last == "":
		return string(c.Reason)
	case c.Reason == "":
		return last
	default:
		return string(c.Reason) + ": " + last
	}
}
