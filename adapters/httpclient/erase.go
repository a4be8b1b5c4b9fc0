package httpclient

import (
	"context"
	"net/http"
)

// EraseMessage is Engine.EraseMessage.
func (c *Client) EraseMessage(ctx context.Context, company, id string) error {
	return c.tell(ctx, request{method: http.MethodDelete}, company, "messages", id, "payload")
}

// EraseCandidate is Engine.EraseCandidate.
func (c *Client) EraseCandidate(ctx context.Context, company, id string) error {
	return c.tell(ctx, request{method: http.MethodDelete}, company, "candidates", id, "payload")
}
