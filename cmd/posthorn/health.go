package main

import (
	"context"

	"posthorn/adapters/httpclient"
)

type healthCmd struct{ clientFlags }

type health struct {
	Ready  bool   `json:"ready"`
	Server string `json:"server"`
}

// Run asks whether the engine takes commands: exit code 0 if it does, 1 if it says no, 69 if it says nothing.
func (c *healthCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (health, error) {
		if _, err := client.Health(ctx); err != nil { // it has a body, so that another kind of server shows
			return health{}, err
		}
		return health{true, c.Server}, client.Ready(ctx)
	}, func(t table, h health) { t.line("%s is ready", h.Server) })
}
