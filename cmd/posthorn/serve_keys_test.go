package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn"
	"posthorn/engine/core"
)

// TestListenWithKeys: another address than loopback is listened on when there is a key, and not before; from then on nobody is let in without
// one, also on loopback.
func TestListenWithKeys(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	begin := func(listen string) (*service, error) {
		c := &serveFlags{Data: dir, Listen: listen}
		c.Transport = "gochannel:"
		return c.start(t.Context(), slog.New(slog.DiscardHandler))
	}
	refused := func() {
		t.Helper()
		_, err := begin("0.0.0.0:0")
		coded, ok := errors.AsType[*exitError](err)
		if !ok || coded.code != exitUsage || !strings.Contains(err.Error(), "make a key with `posthorn key create`") {
			t.Errorf("started without a key: %v", err)
		}
	}
	refused()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
	s, err := begin("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answers(t, s, "", http.StatusOK)
	stopService(t, s)
	refused()

	if s, err = begin("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	key, err := s.engine.CreateKey(t.Context(), posthorn.NewAPIKey{Scope: core.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	answers(t, s, "", http.StatusUnauthorized)
	answers(t, s, key.Token, http.StatusOK)
	stopService(t, s)

	if s, err = begin("0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	answers(t, s, "", http.StatusUnauthorized)
	answers(t, s, key.Token, http.StatusOK)
	stopService(t, s)
}

// answers asks for something with a key, by a name that is not this machine's.
func answers(t *testing.T, s *service, key string, want int) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/v1/companies/42/calls", nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Host = "hooks.example.com"
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != want {
		t.Errorf("answered %d, want %d", answer.StatusCode, want)
	}
}

func stopService(t *testing.T, s *service) {
	t.Helper()
	if err := s.stop(time.Minute); err != nil {
		t.Error(err)
	}
}
