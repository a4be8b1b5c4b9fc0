package main

import (
	"context"
	"time"

	"posthorn"
	"posthorn/engine"
)

type keyRotateMasterCmd struct {
	keyFlags

	SecretKey string `env:"POSTHORN_SECRET_KEY" help:"With --data: the keys to go by in place of DIR/secret.key, as NEW,OLD." placeholder:"KEY" secret:""`
	Status    bool   `help:"Tell where the keys stand, and change nothing."`
}

// masterPoll is how often a running engine is asked whether it is done.
const masterPoll = 100 * time.Millisecond

// Run rotates the key, and ends when everything is sealed under the new one.
func (c *keyRotateMasterCmd) Run(p *program) error {
	status, err := c.rotate(p)
	if err != nil {
		return err
	}
	return p.print(c.JSON, status, func(t table) {
		t.field("state", masterState(status))
		t.field("keys", status.Keys)
		t.field("in use", status.InUse)
	})
}

func (c *keyRotateMasterCmd) rotate(p *program) (engine.MasterKey, error) {
	if c.Data != "" {
		return c.rotateStopped(p)
	}
	client, err := c.open()
	if err != nil {
		return engine.MasterKey{}, err
	}
	var status engine.MasterKey
	err = briefly(p.ctx, func(ctx context.Context) (err error) {
		if c.Status {
			status, err = client.MasterKey(ctx)
		} else {
			status, err = client.RotateMaster(ctx)
		}
		return err
	})
	poll := time.NewTicker(masterPoll)
	defer poll.Stop()
	for err == nil && status.Resealing && !c.Status {
		select {
		case <-p.ctx.Done():
			return status, p.ctx.Err() // the engine goes on
		case <-poll.C:
		}
		err = briefly(p.ctx, func(ctx context.Context) (err error) {
			status, err = client.MasterKey(ctx)
			return err
		})
	}
	return status, clientError(err)
}

// briefly bounds one question to the engine.
func briefly(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return ask(ctx)
}

func (c *keyRotateMasterCmd) rotateStopped(p *program) (engine.MasterKey, error) {
	if c.Status {
		return engine.MasterKey{}, refuse("--status is refused with --data: a stopped engine seals nothing; ask a running one, or rotate without --status")
	}
	keys, err := secretKeys(c.SecretKey)
	if err != nil {
		return engine.MasterKey{}, err
	}
	o := posthorn.Options{Dir: c.Data}
	if len(keys) > 0 {
		o.Key, o.OldKeys = keys[0], keys[1:]
	}
	status, err := posthorn.RotateMasterKey(p.ctx, o)
	return status, exitWith(openCode(err), err)
}

func masterState(s engine.MasterKey) string {
	switch {
	case s.Resealing:
		return "sealing everything under the newest key; keep the older ones"
	case s.Keys > 1:
		return "done; the older keys can go"
	default:
		return "done"
	}
}
