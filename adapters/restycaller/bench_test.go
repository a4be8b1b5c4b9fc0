package restycaller_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

// BenchmarkCall measures a call on a kept connection, server and client in one process, and beside it in the same loop a plain
// net/http client that does the least that is right: the ratio of both is what resty and the guard cost.
func BenchmarkCall(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	b.Cleanup(server.Close)

	caller, err := restycaller.New(restycaller.Options{AllowPrivate: true})
	if err != nil {
		b.Fatal(err)
	}

	defer func() { _ = caller.Close() }()

	plain := &http.Client{Transport: &http.Transport{}}
	defer plain.CloseIdleConnections()

	r := ports.Request{URL: server.URL + "/hook", Body: bytes.Repeat([]byte("x"), 1<<10), Timeout: 15 * time.Second, Header: map[string]string{
		"Content-Type": "application/json", "User-Agent": "Posthorn/1", "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x",
	}}

	var ours, theirs time.Duration

	b.ReportAllocs()

	for b.Loop() {
		start := time.Now()

		if reply := caller.Call(b.Context(), r); reply.Class != ports.ClassOK {
			b.Fatal(reply.Error)
		}

		middle := time.Now()

		if err := plainCall(b.Context(), plain, r); err != nil {
			b.Fatal(err)
		}

		ours += middle.Sub(start)
		theirs += time.Since(middle)
	}

	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/call")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(b.N), "ns/plain")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

func plainCall(ctx context.Context, c *http.Client, r ports.Request) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return err
	}

	for name, value := range r.Header {
		request.Header.Set(name, value)
	}

	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()

	_, err = io.ReadAll(io.LimitReader(response.Body, kept))

	return err
}
