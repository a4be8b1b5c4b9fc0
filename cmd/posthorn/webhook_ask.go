package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/core"
)

type webhookRotateCmd struct {
	webhookID
	secretFlags

	Overlap *time.Duration `help:"For how long the old secret signs too: 0s to 168h, 24h if not given." placeholder:"24h"`
}

// Run puts a new secret in force.
func (c *webhookRotateCmd) Run(p *program) error {
	r := engine.Rotation{Company: c.Company, ID: c.ID, Overlap: c.Overlap}
	var err error
	if r.Secret, err = c.secret(p); err != nil {
		return err
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Registered, error) {
		return client.RotateSecret(ctx, r)
	}, showRegistered)
}

type webhookTestCmd struct{ webhookID }

// testTime is more than an engine takes for a test call: a timeout of a minute at the most, and some seconds.
const testTime = 80 * time.Second

// Run makes a test call, and fails unless it succeeded.
func (c *webhookTestCmd) Run(p *program) error {
	call, err := askWithin(testTime, p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.CallDetail, error) {
		return client.TestWebhook(ctx, c.Company, c.ID)
	}, showCallDetail)
	switch {
	case err != nil:
		return err
	case call.State.Open():
		return exitWith(exitFailed, fmt.Errorf("the test call has not ended yet: others of the webhook may be before it; "+
			"look again with: posthorn call get %s", call.ID))
	case call.State != core.Succeeded:
		why := cmp.Or(call.LastError, string(call.Reason))
		return exitWith(exitFailed, fmt.Errorf("the test call %s: %s; see what the receiver answered, above", call.State, why))
	}
	return nil
}
