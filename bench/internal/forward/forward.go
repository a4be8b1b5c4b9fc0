// Package forward is the raw baseline: what a forwarder costs that keeps nothing, checks nothing and promises nothing. It reads
// a body, posts it on, and answers when that was answered. Read next: package contest.
package forward

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Serve forwards what is posted to it to the URL to, over at most conns kept connections, until ctx ends. Its first line on out says where
// it listens; ListeningAt reads it.
func Serve(ctx context.Context, out io.Writer, to string, conns int) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	transport := &http.Transport{MaxIdleConns: conns, MaxIdleConnsPerHost: conns, DisableCompression: true}
	defer transport.CloseIdleConnections()
	server := &http.Server{Handler: handler(transport, to), ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // Serve then returns
	if _, err := fmt.Fprintf(out, "%shttp://%s\n", says, listener.Addr()); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("forward: %w", err)
	}
	return nil
}

const says = "listening "

// ListeningAt finds in a line of Serve's output where it listens.
func ListeningAt(line string) (url string, ok bool) {
	return strings.CutPrefix(line, says)
}

func handler(transport http.RoundTripper, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := post(r.Context(), transport, to, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(status)
	})
}

// post sends r's body on, by the transport itself: a Client's redirects and cookies are of no use here.
func post(ctx context.Context, transport http.RoundTripper, to string, r *http.Request) (status int, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("read the body: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("forward to %s: %w", to, err)
	}
	req.Header["Content-Type"] = r.Header["Content-Type"]
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, fmt.Errorf("forward to %s: %w", to, err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, fmt.Errorf("read the answer of %s: %w", to, err)
	}
	return res.StatusCode, res.Body.Close()
}
