package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/ports"
)

// A recorded is a request as a server saw it.
type recorded struct {
	method, uri string
	header      http.Header
	length      int64
	body        []byte
	err         error
}

func record(_ http.ResponseWriter, r *http.Request) *recorded {
	body, err := io.ReadAll(r.Body)

	return &recorded{r.Method, r.RequestURI, r.Header, r.ContentLength, body, err}
}

func (got *recorded) check(t *testing.T, want ports.Request, uri string) {
	t.Helper()

	if uri == "" {
		uri = "/"
	}

	if got.method != http.MethodPost || got.uri != uri || got.err != nil {
		t.Errorf("arrived as %s %s (%v), want POST %s", got.method, got.uri, got.err, uri)
	}

	if !bytes.Equal(got.body, want.Body) || got.length != int64(len(want.Body)) {
		t.Errorf("arrived with %d bytes, Content-Length %d; want the %d bytes that were given", len(got.body), got.length, len(want.Body))
	}

	given := http.Header{}
	for name, value := range want.Header {
		given.Set(name, strings.TrimSpace(value)) // HTTP does not carry space around a value
	}

	got.header.Del("Content-Length")

	for name := range given {
		if got.header.Get(name) != given.Get(name) {
			t.Errorf("header %s arrived as %q, want %q", name, got.header.Get(name), given.Get(name))
		}
	}

	for name := range got.header {
		if given[name] == nil {
			t.Errorf("header %s: %q was sent, and nobody gave it", name, got.header.Get(name))
		}
	}
}

// capsResponse offers a body without end, and one that is large and known to be. The servers stop when the caller hangs up.
func capsResponse(t *testing.T, c ports.Caller) {
	t.Helper()

	const large = 8 << 20

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := bytes.Repeat([]byte("0123456789abcdef"), 1<<10)

		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", fmt.Sprint(large))
		}

		for sent := 0; r.URL.Path == "/endless" || sent < large; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})

	for _, path := range []string{"/endless", "/large"} {
		r := c.Call(t.Context(), ports.Request{URL: url + path, Timeout: callerTimeout})
		wantReply(t, r, ports.ClassOK, http.StatusOK)

		if len(r.Body) == 0 || len(r.Body) > 1<<20 || !r.Truncated {
			t.Errorf("%s: kept %d bytes, truncated %t; want a first part, truncated", path, len(r.Body), r.Truncated)
		}

		if !strings.HasPrefix(string(r.Body), "0123456789abcdef0123") {
			t.Errorf("%s: kept %.20q, want the beginning", path, r.Body)
		}
	}
}

// timesOut never answers, or drips an answer that never ends.
func timesOut(t *testing.T, c ports.Caller, drip bool) {
	t.Helper()

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the caller hang up

		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()

		for {
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}

			if drip {
				_, _ = io.WriteString(w, ".")
				_ = http.NewResponseController(w).Flush() // fails with the connection, which ends the context
			}
		}
	})

	r := c.Call(t.Context(), ports.Request{URL: url, Body: []byte("{}"), Timeout: callerShort})

	status := 0
	if drip {
		status = http.StatusOK
	}

	wantReply(t, r, ports.ClassTimeout, status)

	if r.Took < callerShort || r.Took > 20*callerShort {
		t.Errorf("took %s of a timeout of %s", r.Took, callerShort)
	}
}

func heedsCallContext(t *testing.T, c ports.Caller) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the caller hang up

		cancel()
		<-r.Context().Done()
	})

	r := c.Call(ctx, ports.Request{URL: url, Body: []byte("{}"), Timeout: callerTimeout})
	wantReply(t, r, ports.ClassInternal, 0)

	r = c.Call(ctx, ports.Request{URL: url, Body: []byte("{}"), Timeout: callerTimeout})
	wantReply(t, r, ports.ClassInternal, 0)
}

func reportsRefused(t *testing.T, c ports.Caller) {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		t.Fatal(err)
	}

	url := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	wantReply(t, c.Call(t.Context(), ports.Request{URL: url, Timeout: callerTimeout}), ports.ClassConnect, 0)
}

// reportsBroken breaks the connection before the headers, within them, and within the body, by a reset or by a plain end.
func reportsBroken(t *testing.T, c ports.Caller) {
	t.Helper()

	answers := map[string]string{
		"/before":  "",
		"/headers": "HTTP/1.1 200 OK\r\nContent-Le",
		"/body":    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part",
		"/chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"/nothttp": "SSH-2.0-OpenSSH_9.9\r\n",
	}

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := breakOff(w, answers[r.URL.Path], r.URL.RawQuery == "reset"); err != nil {
			t.Error(err)
		}
	})

	for path := range answers {
		for _, how := range []string{"reset", "end"} {
			r := c.Call(t.Context(), ports.Request{URL: url + path + "?" + how, Body: []byte("{}"), Timeout: callerTimeout})

			status := 0
			if begun := path == "/body" || path == "/chunk"; begun && (how == "end" || r.Status != 0) { // a reset may overtake the headers
				status = http.StatusOK
			}

			wantReply(t, r, ports.ClassReset, status)
		}
	}
}

// breakOff writes a raw answer and closes the connection, with a TCP reset if asked for.
func breakOff(w http.ResponseWriter, answer string, reset bool) error {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}

	if _, err := io.WriteString(conn, answer); err != nil {
		return errors.Join(err, conn.Close())
	}

	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		if err := tcp.SetLinger(0); err != nil {
			return errors.Join(err, conn.Close())
		}
	}

	return conn.Close()
}

func reportsUntrusted(t *testing.T, c ports.Caller) {
	t.Helper()

	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would report the failed handshake
	server.StartTLS()
	t.Cleanup(server.Close)

	wantReply(t, c.Call(t.Context(), ports.Request{URL: server.URL, Timeout: callerTimeout}), ports.ClassTLS, 0)

	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	https := strings.Replace(plain, "http://", "https://", 1)
	wantReply(t, c.Call(t.Context(), ports.Request{URL: https, Timeout: callerTimeout}), ports.ClassTLS, 0)
}

func refusesNonsense(t *testing.T, c ports.Caller) {
	t.Helper()

	for _, r := range []ports.Request{
		{URL: ""},
		{URL: "/relative"},
		{URL: "ftp://127.0.0.1/"},
		{URL: "http://"},
		{URL: "http://127.0.0.1:bad/"},
		{URL: "http://127.0.0.1/%zz"},
		{URL: "http://127.0.0.1:1/", Header: map[string]string{"bad name": "x"}},
		{URL: "http://127.0.0.1:1/", Header: map[string]string{"Name": "line\r\nInjected: yes"}},
	} {
		r.Timeout = callerTimeout
		wantReply(t, c.Call(t.Context(), r), ports.ClassInternal, 0)
	}
}
