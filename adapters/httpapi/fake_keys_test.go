package httpapi_test

import (
	"context"

	"posthorn/engine"
)

// The memory makes keys with counted ids; who a token is of, TestScopes asks a real engine.

func (m *memory) CreateKey(_ context.Context, n engine.NewAPIKey) (engine.NewToken, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.NewToken{}, err
	}
	if err := n.Check(); err != nil {
		return engine.NewToken{}, err
	}
	k := engine.APIKey{ID: m.id("key_"), Name: n.Name, Scope: n.Scope, Rate: n.Rate, CreatedAt: epoch}
	m.keys = append(m.keys, k)
	return engine.NewToken{APIKey: k, Token: "phk_" + k.ID + "_secret"}, nil
}

func (m *memory) Keys(_ context.Context, q engine.KeyQuery) (engine.Page[engine.APIKey], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.APIKey]{}, err
	}
	return page(m.keys, q.Limit, q.Cursor)
}

func (m *memory) RevokeKey(_ context.Context, id string) (engine.APIKey, error) {
	defer m.mu.Unlock()
	if err := m.begin("revoke " + id); err != nil {
		return engine.APIKey{}, err
	}
	for i := range m.keys {
		if m.keys[i].ID == id {
			m.keys[i].RevokedAt = &m.keys[i].CreatedAt
			return m.keys[i], nil
		}
	}
	return engine.APIKey{}, missing("key", id)
}
