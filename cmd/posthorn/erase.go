package main

import (
	"context"

	"posthorn/adapters/httpclient"
)

type messageEraseCmd struct {
	companyFlags

	ID string `arg:"" help:"The message's id."`
}

// Run erases what a message told.
func (c *messageEraseCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (done, error) {
		return done{"erased", c.ID}, client.EraseMessage(ctx, c.Company, c.ID)
	}, func(t table, d done) { d.show(t) })
}

type candidateEraseCmd struct{ candidateID }

// Run erases all that is known of a candidate.
func (c *candidateEraseCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (done, error) {
		return done{"erased", c.ID}, client.EraseCandidate(ctx, c.Company, c.ID)
	}, func(t table, d done) { d.show(t) })
}
