package httpclient

import (
	"context"
	"encoding/json"
	"net/http"

	"posthorn/engine"
)

// A HistoryRow is a call as the replaced system's history shows it.
type HistoryRow struct {
	PK        string `json:"pk"`
	CompanyID string `json:"companyId"`
	// CreatedAt is RFC 3339 with milliseconds, the triggeredAt of the payload.
	CreatedAt string `json:"createdAt"`
	// Status is pending, success or failed.
	Status  string          `json:"status"`
	URL     string          `json:"url"`
	Payload json.RawMessage `json:"payload"`
	// Output is JSON: {} or Error and Cause.
	Output string `json:"output"`
}

// History returns a page of a company's calls, newest first, from the replaced system's route. A limit of 0 takes 250, the most.
func (c *Client) History(ctx context.Context, q engine.ListQuery) (engine.Page[HistoryRow], error) {
	if _, err := place(q.Company); err != nil {
		return engine.Page[HistoryRow]{}, err
	}
	var out page[HistoryRow]
	err := c.do(ctx, request{
		method: http.MethodGet, path: "/webhook_history/" + escape(q.Company), query: paging(q.Limit, q.Cursor), out: &out,
	})
	return engine.Page[HistoryRow]{Items: out.Data, Next: out.NextCursor}, err
}

// Health returns nil when the server's process is up, and its version.
func (c *Client) Health(ctx context.Context) (version string, err error) {
	var out struct {
		Version string `json:"version"`
	}
	err = c.do(ctx, request{method: http.MethodGet, path: "/healthz", out: &out})
	return out.Version, err
}

// Ready is Engine.Ready: nil while commands are taken.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, request{method: http.MethodGet, path: "/readyz"})
}
