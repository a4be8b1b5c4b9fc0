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

// An Answer judges the answer to the request n, whose body has been read: nil lets the run go on. It is called from many goroutines at once.
type Answer func(n int, res *http.Response, said []byte) error

// Posts returns count senders that post body, numbered, to target by the transport; an answer that is no 2xx ends the run. Each has a
// body of its own that it writes over.
func Posts(transport http.RoundTripper, target string, body []byte, count int) ([]Send, error) {
	return Asks(transport, target, body, count, accepted)
}

// Asks is Posts for who judges the answers.
func Asks(transport http.RoundTripper, target string, body []byte, count int, answer Answer) ([]Send, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("post to %q: %w", target, err)
	}
	senders := make([]Send, count)
	for i := range senders {
		senders[i] = poster(transport, to, slices.Clone(body), answer)
	}
	return senders, nil
}

func poster(transport http.RoundTripper, to *url.URL, body []byte, answer Answer) Send {
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
		said, err := read(res)
		if err != nil {
			return err
		}
		return answer(n, res, said)
	}
}

// read takes an answer to its end, so that the connection is kept.
func read(res *http.Response) ([]byte, error) {
	said, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return said, nil
}

// accepted returns nil for a 2xx.
func accepted(_ int, res *http.Response, said []byte) error {
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("refused with %s: %.300q", res.Status, said)
	}
	return nil
}
