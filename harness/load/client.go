package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"
)

// NewClient returns a client that keeps as many connections to one host as requests may be under way, and follows no redirects. Its
// CloseIdleConnections ends what it holds.
func NewClient(connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 90 * time.Second,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxAnswer is the most that is read of an answer.
const maxAnswer = 4 << 20

// An exchange is a request and what is wanted of its answer.
type exchange struct {
	client      *http.Client
	method, url string
	header      http.Header
	body        []byte
}

// do makes the request and returns the body of a 2xx. An answer with another status matches ErrRefused.
func (x exchange) do(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, x.method, x.url, bytes.NewReader(x.body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", x.method, x.url, err)
	}
	maps.Copy(req.Header, x.header)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := x.client.Do(req)
	if err != nil {
		return nil, x.unanswered(err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", x.method, x.url, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %w with %s: %.300q", x.method, x.url, ErrRefused, res.Status, body)
	}
	return body, nil
}

// unanswered tells a sender that was not there from one that fell silent.
func (x exchange) unanswered(err error) error {
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // method and address are told once
	}
	if dialing, ok := errors.AsType[*net.OpError](err); ok && dialing.Op == "dial" {
		return fmt.Errorf("%s %s: %w: %w", x.method, x.url, ErrUnreachable, err)
	}
	return fmt.Errorf("%s %s: no answer: %w", x.method, x.url, err)
}

// ask is do, and decodes the answer into out.
func (x exchange) ask(ctx context.Context, out any) error {
	body, err := x.do(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: the answer %.200q is not what was expected: %w", x.method, x.url, body, err)
	}
	return nil
}
