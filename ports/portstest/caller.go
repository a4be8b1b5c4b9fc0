package portstest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/ports"
)

const (
	// callerTimeout is for calls that should not need it.
	callerTimeout = 30 * time.Second
	// callerShort is for calls that should use it up.
	callerShort = 100 * time.Millisecond
)

// Caller runs the conformance suite of [ports.Caller] against real servers on loopback addresses, which the caller that open
// returns must be allowed to call. open closes what it opens through t.Cleanup. Subtests run in parallel.
func Caller(t *testing.T, open func(t *testing.T) ports.Caller) {
	t.Helper()

	t.Run("statuses", func(t *testing.T) { t.Parallel(); answersAsStatus(t, open(t)) })
	t.Run("redirect is not followed", func(t *testing.T) { t.Parallel(); followsNoRedirect(t, open(t)) })
	t.Run("retry-after and location", func(t *testing.T) { t.Parallel(); keepsHeaders(t, open(t)) })
	t.Run("sends exactly what it was given", func(t *testing.T) { t.Parallel(); sendsExactly(t, open(t)) })
	t.Run("no cookies", func(t *testing.T) { t.Parallel(); keepsNoCookies(t, open(t)) })
	t.Run("response is capped", func(t *testing.T) { t.Parallel(); capsResponse(t, open(t)) })
	t.Run("concurrent calls", func(t *testing.T) { t.Parallel(); callsAtOnce(t, open(t)) })
	t.Run("timeout before the headers", func(t *testing.T) { t.Parallel(); timesOut(t, open(t), false) })
	t.Run("timeout within the body", func(t *testing.T) { t.Parallel(); timesOut(t, open(t), true) })
	t.Run("context ends", func(t *testing.T) { t.Parallel(); heedsCallContext(t, open(t)) })
	t.Run("connection refused", func(t *testing.T) { t.Parallel(); reportsRefused(t, open(t)) })
	t.Run("connection broken", func(t *testing.T) { t.Parallel(); reportsBroken(t, open(t)) })
	t.Run("certificate not trusted", func(t *testing.T) { t.Parallel(); reportsUntrusted(t, open(t)) })
	t.Run("request of no use", func(t *testing.T) { t.Parallel(); refusesNonsense(t, open(t)) })
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()

	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return server.URL
}

// wantReply checks what holds for every reply.
func wantReply(t *testing.T, r ports.Reply, class ports.Class, status int) {
	t.Helper()

	if r.Class != class || r.Status != status {
		t.Errorf("class %q, status %d, error %q; want class %q, status %d", r.Class, r.Status, r.Error, class, status)
	}

	if (r.Error == "") != (r.Class == ports.ClassOK) {
		t.Errorf("class %q goes with error %q", r.Class, r.Error)
	}

	if strings.ContainsAny(r.Error, "\r\n\x00\x1b") {
		t.Errorf("error is not one clean line: %q", r.Error)
	}

	if r.Took <= 0 || r.Took > callerTimeout {
		t.Errorf("took %s", r.Took)
	}
}

func answersAsStatus(t *testing.T, c ports.Caller) {
	t.Helper()

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			status = http.StatusTeapot
		}

		w.WriteHeader(status)

		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = fmt.Fprintf(w, "body of %d", status) // a client that is gone fails the test itself
		}
	})

	for status, class := range map[int]ports.Class{
		200: ports.ClassOK, 201: ports.ClassOK, 202: ports.ClassOK, 204: ports.ClassOK, 299: ports.ClassOK,
		300: ports.ClassRedirect, 304: ports.ClassRedirect,
		400: ports.ClassStatus, 404: ports.ClassStatus, 410: ports.ClassStatus, 429: ports.ClassStatus,
		500: ports.ClassStatus, 503: ports.ClassStatus, 599: ports.ClassStatus,
	} {
		r := c.Call(t.Context(), ports.Request{URL: fmt.Sprintf("%s/%d", url, status), Body: []byte("{}"), Timeout: callerTimeout})
		wantReply(t, r, class, status)

		want := fmt.Sprintf("body of %d", status)
		if status == http.StatusNoContent || status == http.StatusNotModified {
			want = ""
		}

		if string(r.Body) != want || r.Truncated {
			t.Errorf("status %d came with body %q, truncated %t; want %q", status, r.Body, r.Truncated, want)
		}
	}
}

func followsNoRedirect(t *testing.T, c ports.Caller) {
	t.Helper()

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/new" {
			t.Error("the redirect was followed")
		}

		var status int

		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Location", "/new")
		w.WriteHeader(status)
	})

	for _, status := range []int{301, 302, 303, 307, 308} {
		r := c.Call(t.Context(), ports.Request{URL: fmt.Sprintf("%s/%d", url, status), Body: []byte("{}"), Timeout: callerTimeout})
		wantReply(t, r, ports.ClassRedirect, status)

		if r.Location != "/new" || !strings.Contains(r.Error, "/new") {
			t.Errorf("status %d came with location %q and error %q, want both to name /new", status, r.Location, r.Error)
		}
	}
}

func keepsHeaders(t *testing.T, c ports.Caller) {
	t.Helper()

	long := strings.Repeat("x", 5000)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "120")

		if r.URL.Path == "/long" {
			w.Header().Set("Retry-After", long)
			w.Header().Set("Location", "/"+long)
		}

		w.WriteHeader(http.StatusTooManyRequests)
	})

	r := c.Call(t.Context(), ports.Request{URL: url, Timeout: callerTimeout})
	wantReply(t, r, ports.ClassStatus, http.StatusTooManyRequests)

	if r.RetryAfter != "120" || r.Location != "" {
		t.Errorf("Retry-After %q, Location %q; want 120 and none", r.RetryAfter, r.Location)
	}

	r = c.Call(t.Context(), ports.Request{URL: url + "/long", Timeout: callerTimeout})
	if r.RetryAfter != long[:1024] || r.Location != "/"+long[:1023] {
		t.Errorf("kept %d bytes of Retry-After and %d of Location, want the first 1024", len(r.RetryAfter), len(r.Location))
	}
}

// sendsExactly asks for the method, the path with its query, the body's bytes and length, and no header but those given and
// those that HTTP itself needs.
func sendsExactly(t *testing.T, c ports.Caller) {
	t.Helper()

	got := make(chan *recorded, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { got <- record(w, r) })

	large := make([]byte, 512<<10)
	for i := range large {
		large[i] = byte(i * 7)
	}

	header := map[string]string{
		"Content-Type": "application/json", "User-Agent": "Posthorn/1.2", "webhook-id": "msg_1", "X-Custom": " a  b\tc",
	}

	for _, r := range []ports.Request{
		{URL: url + "/a%2Fb/c?x=1&y=%7B&z={id}", Header: header, Body: []byte("{\"a\": 1}\n")},
		{URL: url, Header: header, Body: large},
		{URL: url, Header: nil, Body: []byte("<xml/>")},
		{URL: url, Header: header, Body: nil},
	} {
		r.Timeout = callerTimeout
		sent := ports.Request{URL: r.URL, Header: maps.Clone(r.Header), Body: r.Body, Timeout: r.Timeout}
		wantReply(t, c.Call(t.Context(), sent), ports.ClassOK, http.StatusOK)
		(<-got).check(t, r, strings.TrimPrefix(r.URL, url))

		if !maps.Equal(sent.Header, r.Header) {
			t.Errorf("the caller changed the request's headers to %q", sent.Header)
		}
	}
}

func keepsNoCookies(t *testing.T, c ports.Caller) {
	t.Helper()

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("came with cookies %v", r.Cookies())
		}

		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"}) //nolint:gosec // a cookie that nobody keeps
	})

	for range 2 {
		wantReply(t, c.Call(t.Context(), ports.Request{URL: url, Timeout: callerTimeout}), ports.ClassOK, http.StatusOK)
	}
}

func callsAtOnce(t *testing.T, c ports.Caller) {
	t.Helper()

	const calls = 64

	var arrived sync.WaitGroup

	arrived.Add(calls)

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait() // nobody is answered before all have come

		w.Header().Set("Retry-After", r.Header.Get("webhook-id"))
	})

	var callers sync.WaitGroup

	header := map[string]string{"X-Shared": "by all"}

	for i := range calls {
		callers.Go(func() {
			own := maps.Clone(header)
			own["webhook-id"] = fmt.Sprint("msg_", i)

			r := c.Call(t.Context(), ports.Request{URL: url, Header: own, Body: []byte("{}"), Timeout: callerTimeout})
			wantReply(t, r, ports.ClassOK, http.StatusOK)

			if r.RetryAfter != own["webhook-id"] {
				t.Errorf("call %d got the answer of %q", i, r.RetryAfter)
			}
		})
	}

	callers.Wait()
}
