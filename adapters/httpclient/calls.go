package httpclient

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"posthorn/engine"
)

// Publish is Engine.Publish.
func (c *Client) Publish(ctx context.Context, n engine.NewMessage) (engine.Message, error) {
	in := newMessage{EventType: n.EventType, Data: n.Data}
	if n.ResourceType != "" || n.ResourceID != "" {
		in.Resource = &resource{n.ResourceType, n.ResourceID}
	}
	if len(n.Data) > 0 && !json.Valid(n.Data) {
		_, err := n.Check() // it could not be written; the core has the words
		return engine.Message{}, err
	}
	return ask[engine.Message](ctx, c, request{method: http.MethodPost, in: in, key: n.IdempotencyKey}, n.Company, "messages")
}

type newMessage struct {
	EventType string          `json:"eventType"`
	Data      json.RawMessage `json:"data,omitempty"`
	Resource  *resource       `json:"resource,omitempty"`
}

type resource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// A page is a list as the API answers it.
type page[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"nextCursor"`
}

func list[T any](ctx context.Context, c *Client, query url.Values, company string, segments ...string) (engine.Page[T], error) {
	out, err := ask[page[T]](ctx, c, request{method: http.MethodGet, query: query}, company, segments...)
	return engine.Page[T]{Items: out.Data, Next: out.NextCursor}, err
}

func paging(limit int, cursor string) url.Values {
	query := url.Values{}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	set(query, "cursor", cursor)
	return query
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// CallPage is Engine.CallPage.
func (c *Client) CallPage(ctx context.Context, q engine.CallQuery) (engine.Page[engine.Call], error) {
	query := paging(q.Limit, q.Cursor)
	set(query, "webhook", q.Webhook)
	set(query, "eventType", q.EventType)
	set(query, "state", string(q.State))
	setTime(query, "since", q.Since)
	setTime(query, "until", q.Until)
	setTime(query, "asOf", q.AsOf)
	return list[engine.Call](ctx, c, query, q.Company, "calls")
}

func setTime(query url.Values, name string, t time.Time) {
	if !t.IsZero() {
		query.Set(name, t.Format(time.RFC3339Nano))
	}
}

// Calls is Engine.Calls: all calls that the query asks for, page by page. An error ends it.
func (c *Client) Calls(ctx context.Context, q engine.CallQuery) iter.Seq2[engine.Call, error] {
	return func(yield func(engine.Call, error) bool) {
		for {
			found, err := c.CallPage(ctx, q)
			if err != nil {
				yield(engine.Call{}, err)
				return
			}
			for _, call := range found.Items {
				if !yield(call, nil) {
					return
				}
			}
			if found.Next == "" {
				return
			}
			q.Cursor = found.Next
		}
	}
}

// Call is Engine.Call.
func (c *Client) Call(ctx context.Context, company, id string) (engine.CallDetail, error) {
	return ask[engine.CallDetail](ctx, c, request{method: http.MethodGet}, company, "calls", id)
}

// RetryCall is Engine.RetryCall.
func (c *Client) RetryCall(ctx context.Context, company, id string) (engine.Call, error) {
	return ask[engine.Call](ctx, c, request{method: http.MethodPost}, company, "calls", id, "retry")
}

// CancelCall is Engine.CancelCall.
func (c *Client) CancelCall(ctx context.Context, company, id string) (engine.Call, error) {
	return ask[engine.Call](ctx, c, request{method: http.MethodPost}, company, "calls", id, "cancel")
}
