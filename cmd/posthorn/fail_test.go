package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// TestStoreFails: a store that can no longer write ends the process with exit code 74; the command that met it is told that its
// outcome is unknown.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	store := portstest.NewFaultStore(memstore.New())
	store.FailBefore(2, errors.New("the disk is gone")) // the first is the start
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Store: store, Key: engine.NewKey([32]byte{1})})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := newService(ph, listener, httpapi.Handler(ph, httpapi.Options{Authorize: httpapi.AllowAll, Logger: log}), log)
	ended := make(chan error, 1)
	go func() { ended <- (&serveFlags{}).attend(s, nil, nil) }()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(s.url+"/candidates", "application/json",
		strings.NewReader(`{"companyId":"42","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "repeat it with the same Idempotency-Key") {
		t.Errorf("answered %d %s", resp.StatusCode, body)
	}

	var told strings.Builder
	p := &program{ctx: t.Context(), stderr: &told}
	select {
	case err := <-ended:
		if code := p.report(err); code != exitIO {
			t.Errorf("exit code %d, not %d", code, exitIO)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on without its store")
	}
	if !strings.HasPrefix(told.String(), "posthorn: the engine has stopped: ") || strings.Count(told.String(), "\n") != 1 {
		t.Errorf("told %q", told.String())
	}
}
