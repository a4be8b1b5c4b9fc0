package main

import (
	"context"
	"errors"
	"fmt"

	"posthorn/engine"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make an API key; its token is shown this once."`
	List   keyListCmd   `cmd:"" help:"List API keys, oldest first, revoked ones too."`
	Revoke keyRevokeCmd `cmd:"" help:"Refuse a key from now on."`

	RotateMaster keyRotateMasterCmd `cmd:"" help:"Seal all secrets under a new master key; with --data that of a stopped engine."`
}

// keyFlags say where the keys are kept: by a running engine, or in the directory of a stopped one.
type keyFlags struct {
	clientFlags

	Data string `help:"Data directory of a stopped engine, in place of --server." placeholder:"DIR" type:"path"`
}

// A keyRing is either.
type keyRing interface {
	CreateKey(ctx context.Context, n engine.NewAPIKey) (engine.NewToken, error)
	Keys(ctx context.Context, q engine.KeyQuery) (engine.Page[engine.APIKey], error)
	RevokeKey(ctx context.Context, id string) (engine.APIKey, error)
}

func (c keyFlags) with(p *program, do func(context.Context, keyRing) error) (err error) {
	ctx, cancel := context.WithTimeout(p.ctx, answerTime)
	defer cancel()
	if c.Data == "" {
		client, err := c.open()
		if err != nil {
			return err
		}
		return clientError(do(ctx, client))
	}
	store, err := storeFlags{Data: c.Data}.open(p.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ring, err := engine.StoppedKeys(ctx, store)
	if err != nil {
		return err
	}
	return do(ctx, ring)
}

type keyCreateCmd struct {
	keyFlags

	Scope string  `help:"What it is for: admin, read, or company:ID for one company." placeholder:"SCOPE" required:""`
	Name  string  `help:"Free text, to know the keys apart." placeholder:"TEXT"`
	Rate  float64 `help:"The most requests a second; 0 for no limit." placeholder:"N"`
}

// Run makes a key.
func (c *keyCreateCmd) Run(p *program) error {
	return c.with(p, func(ctx context.Context, keys keyRing) error {
		made, err := keys.CreateKey(ctx, engine.NewAPIKey{Name: c.Name, Scope: engine.Scope(c.Scope), Rate: c.Rate})
		if err != nil {
			return err
		}
		return p.print(c.JSON, made, func(t table) {
			showKey(t, made.APIKey)
			t.field("token", made.Token)
		})
	})
}

type keyListCmd struct {
	keyFlags
	pageFlags
}

// Run lists keys.
func (c *keyListCmd) Run(p *program) error {
	return c.with(p, func(ctx context.Context, keys keyRing) error {
		page, err := keys.Keys(ctx, engine.KeyQuery{Limit: int(c.Limit), Cursor: c.Cursor})
		if err != nil {
			return err
		}
		return printPage(p, c.JSON, page, func(t table, all []engine.APIKey) {
			t.row("ID", "SCOPE", "NAME", "RATE", "CREATED", "REVOKED")
			for _, k := range all {
				t.row(k.ID, k.Scope, k.Name, keyRate(k), k.CreatedAt, k.RevokedAt)
			}
		})
	})
}

type keyRevokeCmd struct {
	keyFlags

	ID string `arg:"" help:"The key's id."`
}

// Run revokes a key.
func (c *keyRevokeCmd) Run(p *program) error {
	return c.with(p, func(ctx context.Context, keys keyRing) error {
		revoked, err := keys.RevokeKey(ctx, c.ID)
		if err != nil {
			return err
		}
		return p.print(c.JSON, revoked, func(t table) { showKey(t, revoked) })
	})
}

func showKey(t table, k engine.APIKey) {
	t.field("id", k.ID)
	t.field("scope", k.Scope)
	t.field("name", k.Name)
	t.field("rate", keyRate(k))
	t.field("created", k.CreatedAt)
	t.field("revoked", k.RevokedAt)
}

func keyRate(k engine.APIKey) string {
	if k.Rate == 0 {
		return ""
	}
	return fmt.Sprintf("%v a second", k.Rate)
}
