package ownstore

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthorn"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestStore(t *testing.T) {
	portstest.Store(t, portstest.StoreOptions{Open: func(testing.TB, string) ports.Store { return New() }})
}

// TestEngine runs an engine over the store: no directory, a key of our own.
func TestEngine(t *testing.T) {
	came := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { came <- r.Header.Get("webhook-id") }))
	defer server.Close()
	key, err := posthorn.ParseKey(strings.Repeat("0f", 32))
	if err != nil {
		t.Fatal(err)
	}
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Store: New(), Key: key, AllowPrivateTargets: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: server.URL, EventTypes: []string{"*"}}); err != nil {
		t.Fatal(err)
	}
	msg, err := ph.Publish(t.Context(), posthorn.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(`{"n":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if id := <-came; id != msg.ID {
		t.Errorf("message %q came, want %q", id, msg.ID)
	}
	for ev, err := range ph.Follow(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type == "CallSucceeded" {
			break
		}
	}
	if err := ph.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
