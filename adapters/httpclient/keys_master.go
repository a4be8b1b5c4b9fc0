package httpclient

import (
	"context"
	"net/http"

	"posthorn/engine"
)

// MasterKey is Engine.MasterKey.
func (c *Client) MasterKey(ctx context.Context) (engine.MasterKey, error) {
	var out engine.MasterKey
	err := c.do(ctx, request{method: http.MethodGet, path: keysPath + "/master", out: &out})
	return out, err
}

// RotateMaster is Engine.RotateMaster. If the answer is lost, ask MasterKey.
func (c *Client) RotateMaster(ctx context.Context) (engine.MasterKey, error) {
	var out engine.MasterKey
	err := c.do(ctx, request{method: http.MethodPost, path: keysPath + "/master/rotate", out: &out})
	return out, err
}
