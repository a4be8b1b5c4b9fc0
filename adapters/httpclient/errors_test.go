package httpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthorn/adapters/httpapi"
	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/ports"
)

// A failing engine answers one error.
type failing struct {
	httpapi.Engine
	err error
}

func (f failing) Publish(context.Context, engine.NewMessage) (engine.Message, error) {
	return engine.Message{}, fmt.Errorf("publish: %w", f.err)
}

func (f failing) Ready(context.Context) error { return f.err }

func (f failing) Follow(context.Context, uint64) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) { yield(engine.Event{}, f.err) }
}

func TestSentinelsComeBack(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		ports.ErrNotFound, ports.ErrConflict, ports.ErrTooLarge, ports.ErrOverloaded, ports.ErrClosed, ports.ErrUnknownOutcome, ports.ErrDiskLow,
	} {
		c, server := serve(t, failing{err: want})
		if _, err := c.Publish(t.Context(), message()); !errors.Is(err, want) {
			t.Errorf("%v came back as %v", want, err)
		}
		if err := c.Ready(t.Context()); !errors.Is(err, want) {
			t.Errorf("ready: %v came back as %v", want, err)
		}
		server.Close()
	}
}

func message() engine.NewMessage {
	return engine.NewMessage{Company: "42", EventType: "a", Data: json.RawMessage("1")}
}

func TestInternalErrorHasTheServersWords(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(httpapi.Handler(failing{err: errors.New("fire")}, httpapi.Options{
		Authorize: httpapi.APIKey(key), Logger: slog.New(slog.DiscardHandler),
	}))
	defer server.Close()
	c := client(t, server.URL, server.Client())
	if _, err := c.Publish(t.Context(), message()); err == nil || !strings.Contains(err.Error(), "engine's log") || strings.Contains(err.Error(), "fire") {
		t.Errorf("got %v", err)
	}
	for _, err := range c.Follow(t.Context(), 7) {
		if err == nil || !strings.Contains(err.Error(), "follow after event 7: the request failed") {
			t.Errorf("followed: %v", err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := client(t, address, nil)
	_, err = c.Publish(t.Context(), message())
	if !errors.Is(err, httpclient.ErrUnreachable) || errors.Is(err, ports.ErrUnknownOutcome) {
		t.Errorf("got %v", err)
	}
	for _, part := range []string{"server unreachable: no answer from " + address, "refused", "start it with `posthorn serve`"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: says nothing of %q", err, part)
		}
	}
	for _, err := range c.Follow(t.Context(), 0) {
		if !errors.Is(err, httpclient.ErrUnreachable) {
			t.Errorf("followed: %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Health(ended); !errors.Is(err, context.Canceled) || errors.Is(err, httpclient.ErrUnreachable) {
		t.Errorf("an ended context: %v", err)
	}
}

// A connection that breaks after the command was sent leaves open whether it was done.
func TestBrokenConnectionLeavesACommandOpen(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	c := client(t, server.URL, server.Client())
	if _, err := c.Publish(t.Context(), message()); !errors.Is(err, ports.ErrUnknownOutcome) || !errors.Is(err, httpclient.ErrUnreachable) {
		t.Errorf("command: %v", err)
	}
	if _, err := c.Webhook(t.Context(), "42", "wh_1"); errors.Is(err, ports.ErrUnknownOutcome) || !errors.Is(err, httpclient.ErrUnreachable) {
		t.Errorf("query: %v", err)
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a web page":         {200, "<html>", "the answer is not what a Posthorn server sends"},
		"a proxy":            {502, "<html>", "answered 502 without a problem's text; check the address"},
		"a proxy, overlong":  {502, strings.Repeat("x", 2<<20), "answered 502"},
		"an odd 422":         {422, "{}", "answered 422"},
		"another's problem":  {418, `{"detail":"short and stout"}`, "short and stout (status 418)"},
		"another's not JSON": {404, "nothing", "answered 404"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		client := client(t, server.URL, server.Client())
		_, err := client.Webhook(t.Context(), "42", "wh_1")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	b := open(t)
	c, err := httpclient.New(b.server.URL+"/a/b", httpclient.Options{HTTP: b.server.Client(), Key: "simsim"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Webhook(t.Context(), "42", "wh_1"); err == nil || !strings.Contains(err.Error(), "API key") || strings.Contains(err.Error(), "simsim") {
		t.Errorf("got %v", err)
	}
}

func TestServerEndsTheStream(t *testing.T) {
	t.Parallel()
	b := open(t)
	var last error
	for event, err := range b.Follow(t.Context(), 0) {
		if last = err; err != nil {
			break
		}
		if event.Seq == 1 {
			if err := b.engine.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !errors.Is(last, ports.ErrClosed) || !strings.Contains(last.Error(), "follow again") {
		t.Errorf("got %v", last)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8080", "ftp://host", "http://", "http://host/?q=1", "http://user:secret@host", "http://user:secret@ho st"} {
		if _, err := httpclient.New(base, httpclient.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", base, err)
		}
	}
}
