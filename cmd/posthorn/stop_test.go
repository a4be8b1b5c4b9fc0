package main

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/memstore"
	"posthorn/engine"
)

// TestStalledClient: a client that never sends the rest of its request does not use up the grace, which is for attempts.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ph, err := posthorn.Open(t.Context(), posthorn.Options{Store: memstore.New(), Key: engine.NewKey([32]byte{1})})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := newService(ph, listener, httpapi.Handler(ph, httpapi.Options{Authorize: httpapi.AllowAll, Logger: log}), log)
		client, conn := net.Pipe()
		listener.conns <- conn
		if _, err := io.WriteString(client, "POST /candidates HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the handler waits for the rest

		began := time.Now()
		if err := s.stop(15 * time.Second); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > arriveTime+100*time.Millisecond {
			t.Errorf("stopped after %v, not %v", took, arriveTime)
		}
		if _, err := io.ReadAll(client); err != nil {
			t.Error(err)
		}
	})
}
