package numbered

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// An Answer judges the answer to the request n, whose body has been read: nil lets the run go on. It is called from many goroutines at once.
type Answer func(n int, res *http.Response, said []byte) error

// Post returns a Send that posts body, numbered, to target over the connections of client; an answer that is no 2xx ends the run.
func Post(client *http.Client, target string, body []byte) (Send, error) {
	return Ask(client, target, body, accepted)
}

// Ask is Post for who judges the answers.
//
// The client's transport makes the requests, for redirects and cookies are of no use here, and each writes its number over a body that
// was sent before: the generator shares its processors with what it measures.
func Ask(client *http.Client, target string, body []byte, answer Answer) (Send, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("post to %q: %w", target, err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	bodies := &sync.Pool{New: func() any { b := slices.Clone(body); return &b }}
	return func(ctx context.Context, n int) error {
		b, _ := bodies.Get().(*[]byte) // nothing else is in it
		req := &http.Request{
			Method: http.MethodPost, URL: to, Host: to.Host, Header: header,
			Body: io.NopCloser(bytes.NewReader(Set(*b, n))), ContentLength: int64(len(*b)),
		}
		res, err := client.Transport.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return fmt.Errorf("post to %s: %w", to, err)
		}
		said, err := read(res)
		if err != nil {
			return err
		}
		bodies.Put(b) // after a failure the transport might still read it
		return answer(n, res, said)
	}, nil
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
