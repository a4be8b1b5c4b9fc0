package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"posthorn/engine/core"
	"posthorn/ports"
)

type (
	// APIKey lets a program use the API, within its scope.
	APIKey = core.APIKey
	// NewAPIKey asks for one.
	NewAPIKey = core.NewAPIKey
	// Scope is what an API key is for: admin, read or company:ID.
	Scope = core.Scope
)

// NewToken is a new key with its token, which is shown this once.
type NewToken struct {
	APIKey
	// Token is what a request sends: phk_, the key's id, and 32 random bytes in base64url.
	Token string `json:"token"`
}

// A KeyQuery asks for a page of API keys, oldest first.
type KeyQuery struct {
	// Limit is 1 to 250; 0 means 50.
	Limit  int
	Cursor string
}

// Access is what a request may do. The zero value may do nothing.
type Access struct {
	// Key is the id of the key that gave it, and stands in the log beside what is done; empty where none was asked for.
	Key string
	// Admin may do everything.
	Admin bool
	// Company is the one company that may be seen and changed, empty for none.
	Company string
	// ReadOnly changes nothing. Without a Company it sees all of them, but nothing that is the operator's.
	ReadOnly bool
	// Rate is the most requests a second of this Key; 0 for no limit.
	Rate float64
}

// A KeyRing keeps the API keys of a store. All methods are safe for concurrent use.
type KeyRing struct {
	store  ports.Store
	accept func(ctx context.Context, size int, decide func(*batch) (core.Decision, error)) error
	used   atomic.Bool // a key was ever made
}

// StoppedKeys returns the key ring of a store that no engine runs over, which stays the caller's. One goroutine may use it.
func StoppedKeys(ctx context.Context, store ports.Store) (*KeyRing, error) {
	s, err := newStopped(ctx, store)
	if err != nil {
		return nil, err
	}
	ring := &KeyRing{store: store, accept: s.accept}
	if err := ring.look(ctx); err != nil {
		return nil, err
	}
	return ring, nil
}

// look finds out whether a key was ever made.
func (k *KeyRing) look(ctx context.Context) error {
	err := k.store.View(ctx, func(r ports.Reader) error {
		from, to := core.APIKeyRange()
		for _, err := range r.Scan(from, to, false) {
			k.used.Store(err == nil)
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for API keys: %w", err)
	}
	return nil
}

// committed hears of every commit of the engine.
func (k *KeyRing) committed(c committed) {
	for _, e := range c.events {
		if _, ok := e.Event.(core.KeyCreated); ok {
			k.used.Store(true)
		}
	}
}

// HasKeys tells whether a key was ever made, revoked ones counted: from then on nobody is let in without one.
func (k *KeyRing) HasKeys() bool { return k.used.Load() }

// CreateKey makes a key and returns it with its token, which is not kept: only its hash is. It returns an InvalidError. If the answer is lost,
// revoke the key and make another; there is no idempotency key here, for the answer could not be given again.
func (k *KeyRing) CreateKey(ctx context.Context, n NewAPIKey) (NewToken, error) {
	if err := n.Check(); err != nil {
		return NewToken{}, err
	}
	var out NewToken
	err := k.accept(ctx, 512, func(b *batch) (d core.Decision, _ error) {
		var random [core.TokenBytes]byte
		mustRead(b.random, random[:])
		d, out.APIKey, out.Token = core.CreateKey(b, b.now, n, random)
		return d, nil
	})
	return handOut(&out, err, "create API key", n.Name)
}

// RevokeKey ends a key: the requests from now on that send it are refused. Revoking a revoked one changes nothing. It returns ErrNotFound.
func (k *KeyRing) RevokeKey(ctx context.Context, id string) (APIKey, error) {
	var out APIKey
	err := k.accept(ctx, 256, func(b *batch) (d core.Decision, err error) {
		d, out, err = core.RevokeKey(b.State, b.now, id)
		return d, err
	})
	return handOut(&out, err, "revoke", id)
}

// Keys returns a page of all keys, oldest first, revoked ones too.
func (k *KeyRing) Keys(ctx context.Context, q KeyQuery) (Page[APIKey], error) {
	from, to := core.APIKeyRange()
	return page(ctx, k.store, pageScan{from: from, to: to, limit: q.Limit, cursor: q.Cursor},
		func(_ ports.Reader, pair ports.Pair) (APIKey, bool, error) {
			key, _, err := core.ParseAPIKey(pair)
			return key, true, err
		})
}

// Authenticate returns what a token lets a request do. It returns ErrNotFound, with the same words, for a token that is none, whose key there is not or
// was revoked, or whose secret is wrong.
func (k *KeyRing) Authenticate(ctx context.Context, token string) (Access, error) {
	unknown := fmt.Errorf("API key: %w", ports.ErrNotFound)
	id, ok := core.KeyOfToken(token)
	if !ok {
		return Access{}, unknown
	}
	pair := ports.Pair{Key: core.APIKeyKey(id)}
	err := k.store.View(ctx, func(r ports.Reader) (err error) {
		pair.Value, err = optional(r.Get(pair.Key))
		return err
	})
	switch {
	case err != nil:
		return Access{}, fmt.Errorf("read API key: %w", err)
	case pair.Value == nil:
		return Access{}, unknown
	}
	key, opens, err := core.ParseAPIKey(pair)
	switch {
	case err != nil:
		return Access{}, err
	case !opens(token), key.RevokedAt != nil:
		return Access{}, unknown
	}
	return accessOf(key), nil
}

func accessOf(k APIKey) Access {
	company, _ := k.Scope.Company()
	return Access{Key: k.ID, Admin: k.Scope == core.ScopeAdmin, Company: company, ReadOnly: k.Scope == core.ScopeRead, Rate: k.Rate}
}
