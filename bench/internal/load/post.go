package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"posthorn/bench/internal/payload"
)

// NewTransport returns a transport that keeps conns connections to the one host that is measured.
func NewTransport(conns int) *http.Transport {
	return &http.Transport{MaxIdleConns: conns, MaxIdleConnsPerHost: conns, DisableCompression: true}
}

// Posts returns count senders that post body, numbered, to target by the transport. Each has a body of its own that it writes over.
func Posts(transport http.RoundTripper, target string, body []byte, count int) ([]Send, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("post to %q: %w", target, err)
	}
	senders := make([]Send, count)
	for i := range senders {
		senders[i] = poster(transport, to, slices.Clone(body))
	}
	return senders, nil
}

func poster(transport http.RoundTripper, to *url.URL, body []byte) Send {
	header := http.Header{"Content-Type": {"application/json"}}
	return func(ctx context.Context, n int) error {
		payload.Number(body, n)
		req := &http.Request{
			Method: http.MethodPost, URL: to, Host: to.Host, Header: header,
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		}
		res, err := transport.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return fmt.Errorf("post to %s: %w", to, err)
		}
		return accepted(res)
	}
}

// accepted reads an answer to its end, so that the connection is kept, and returns nil for a 2xx.
func accepted(res *http.Response) error {
	said, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("refused with %s: %.300q", res.Status, said)
	}
	return nil
}
