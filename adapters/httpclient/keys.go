package httpclient

import (
	"context"
	"net/http"

	"posthorn/engine"
)

type newKey struct {
	Name  string       `json:"name,omitempty"`
	Scope engine.Scope `json:"scope"`
	Rate  float64      `json:"rate,omitempty"`
}

const keysPath = "/v1/keys"

// CreateKey is Engine.CreateKey. If the answer is lost, revoke the key that Keys lists last, and make another.
func (c *Client) CreateKey(ctx context.Context, n engine.NewAPIKey) (engine.NewToken, error) {
	var out engine.NewToken
	err := c.do(ctx, request{method: http.MethodPost, path: keysPath, in: newKey{n.Name, n.Scope, n.Rate}, out: &out})
	return out, err
}

// Keys is Engine.Keys.
func (c *Client) Keys(ctx context.Context, q engine.KeyQuery) (engine.Page[engine.APIKey], error) {
	var out page[engine.APIKey]
	err := c.do(ctx, request{method: http.MethodGet, path: keysPath, query: paging(q.Limit, q.Cursor), out: &out})
	return engine.Page[engine.APIKey]{Items: out.Data, Next: out.NextCursor}, err
}

// RevokeKey is Engine.RevokeKey.
func (c *Client) RevokeKey(ctx context.Context, id string) (engine.APIKey, error) {
	var out engine.APIKey
	if id == "" {
		return out, invalid("id", "no id was given; the command is for one key; name it")
	}
	err := c.do(ctx, request{method: http.MethodPost, path: keysPath + "/" + escape(id) + "/revoke", out: &out})
	return out, err
}
