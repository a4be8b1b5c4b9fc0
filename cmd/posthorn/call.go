package main

import (
	"context"
	"fmt"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type callCmd struct {
	List   callListCmd   `cmd:"" help:"List calls, newest first."`
	Get    callGetCmd    `cmd:"" aliases:"show" help:"Show a call with its attempts, its events and its body."`
	Retry  callRetryCmd  `cmd:"" help:"Make a new call of one that has ended, with the same message id."`
	Cancel callCancelCmd `cmd:"" help:"End an open call."`
}

// callFilters narrow a list of calls.
type callFilters struct {
	Webhook string `help:"Only calls of this webhook." placeholder:"ID"`
	Event   string `help:"Only calls of this event type." placeholder:"TYPE"`
	Since   moment `help:"Only calls made then or later: RFC 3339, or a duration ago such as 2h." placeholder:"TIME"`
	Until   moment `help:"Only calls made before." placeholder:"TIME"`
	AsOf    moment `help:"The calls as they were then, as far as they are kept." placeholder:"TIME"`
}

// query asks for a page of calls; without a state, for those in any.
func (f callFilters) query(company string, page pageFlags, state *engine.CallState) engine.CallQuery {
	q := engine.CallQuery{
		Company: company, Webhook: f.Webhook, EventType: f.Event,
		Since: time.Time(f.Since), Until: time.Time(f.Until), AsOf: time.Time(f.AsOf), Limit: int(page.Limit), Cursor: page.Cursor,
	}
	if state != nil {
		q.State = *state
	}
	return q
}

// A moment is a time given as RFC 3339 or as a duration before now.
type moment time.Time

// UnmarshalText reads a flag's value.
func (m *moment) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil {
		*m = moment(time.Now().Add(-ago))
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("time %.40q is refused: it is neither RFC 3339 nor a duration; write 2026-01-31T08:00:00Z or 2h", text)
	}
	*m = moment(at)
	return nil
}

type callListCmd struct {
	companyFlags
	callFilters
	pageFlags

	State *engine.CallState `enum:"pending,succeeded,failed,skipped,cancelled" help:"Only calls in this state: pending, succeeded, failed, skipped or cancelled." placeholder:"STATE"` //nolint:lll // a tag
}

// Run lists calls.
func (c *callListCmd) Run(p *program) error {
	q := c.query(c.Company, c.pageFlags, c.State)
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.Call], error) {
		return client.CallPage(ctx, q)
	}, func(t table, all []engine.Call) {
		t.row("ID", "STATE", "EVENT", "ATTEMPTS", "CREATED", "NEXT", "URL")
		for _, one := range all {
			t.row(one.ID, one.State, one.EventType, one.AttemptCount, one.CreatedAt, one.NextAt, one.URL)
		}
	})
}

// callID names one call.
type callID struct {
	companyFlags

	ID string `arg:"" help:"The call's id."`
}

type callGetCmd struct {
	callID

	AsOf moment `help:"As it was then: RFC 3339, or a duration ago such as 2h." placeholder:"TIME"`
}

// Run shows a call.
func (c *callGetCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.CallDetail, error) {
		return client.CallAsOf(ctx, c.Company, c.ID, time.Time(c.AsOf))
	}, showCallDetail)
}

type callRetryCmd struct{ callID }

// Run makes a call again.
func (c *callRetryCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Call, error) {
		return client.RetryCall(ctx, c.Company, c.ID)
	}, showCall)
}

type callCancelCmd struct{ callID }

// Run ends a call.
func (c *callCancelCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Call, error) {
		return client.CancelCall(ctx, c.Company, c.ID)
	}, showCall)
}

func showCall(t table, c engine.Call) {
	t.field("id", c.ID)
	t.field("company", c.Company)
	t.field("webhook", c.Webhook)
	t.field("message", c.Message)
	t.field("event", c.EventType)
	if c.Resource != nil {
		t.field("resource", c.Resource.Type+"/"+c.Resource.ID)
	}
	t.field("url", c.URL)
	t.field("state", c.State)
	t.field("reason", c.Reason)
	t.field("attempts", c.AttemptCount)
	t.field("error", c.LastError)
	t.field("next", c.NextAt)
	t.field("expires", c.ExpiresAt)
	t.field("created", c.CreatedAt)
	t.field("ended", c.EndedAt)
	t.field("retry of", c.RetryOf)
}

func showCallDetail(t table, c engine.CallDetail) {
	showCall(t, c.Call)
	t.field("body", string(c.Body))
	if len(c.Attempts) > 0 {
		t.line("")
		t.row("ATTEMPT", "STARTED", "TOOK", "STATUS", "CLASS", "ERROR", "RESPONSE")
	}
	for _, a := range c.Attempts {
		t.row(a.Attempt, a.StartedAt, time.Duration(a.TookMS)*time.Millisecond, status(a.Status), a.Class, a.Error, cut(a.Response))
	}
	if len(c.Timeline) > 0 {
		t.line("")
		t.row("SEQ", "AT", "EVENT", "BY")
	}
	for _, e := range c.Timeline {
		t.row(e.Seq, e.At, e.Type, askedBy(e.By))
	}
}

func status(code int) string {
	if code == 0 {
		return ""
	}
	return fmt.Sprint(code)
}

// cut keeps a table's line readable; --json has the whole.
func cut(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "..."
	}
	return text
}
