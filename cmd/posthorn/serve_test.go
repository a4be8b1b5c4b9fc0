package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that a server's timeouts run in fake time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serveOver serves h as the program does, and returns a client's end of a connection.
func serveOver(t *testing.T, h http.HandlerFunc) net.Conn {
	t.Helper()
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := newServer(h, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	client, conn := net.Pipe()
	listener.conns <- conn
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client
}

func TestSlowClients(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, sends string
		cutAfter    time.Duration
	}{
		{"head", "POST / HTTP/1.1\r\nHost: x\r\nX-", 10 * time.Second},
		{"body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", 30 * time.Second},
		{"nothing", "", 10 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := serveOver(t, func(w http.ResponseWriter, r *http.Request) {
					_, err := io.ReadAll(r.Body)
					var late net.Error
					if !errors.As(err, &late) || !late.Timeout() {
						t.Errorf("the body was read with %v, not a timeout", err)
					}
					w.WriteHeader(http.StatusRequestTimeout)
				})
				began := time.Now()
				go func() { _, _ = io.WriteString(client, c.sends) }()
				if _, err := io.ReadAll(client); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < c.cutAfter || took > c.cutAfter+time.Second {
					t.Errorf("cut off after %v, not %v", took, c.cutAfter)
				}
			})
		})
	}
}

func TestLargeHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := serveOver(t, func(http.ResponseWriter, *http.Request) { t.Error("a head of 64 KiB was let in") })
		go func() {
			_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
		}()
		answer, err := io.ReadAll(client)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
			t.Errorf("answered %q (%v), not 431", answer, err)
		}
	})
}

// TestStreamOutlivesTimeouts: a stream that sets a deadline for each of its writes goes on long after the server's own timeouts.
func TestStreamOutlivesTimeouts(t *testing.T) {
	t.Parallel()
	const beats = 40
	synctest.Test(t, func(t *testing.T) {
		client := serveOver(t, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			for n := range beats {
				time.Sleep(15 * time.Second)
				if err := errors.Join(control.SetWriteDeadline(time.Now().Add(time.Second)), r.Context().Err()); err != nil {
					t.Error(err)
					return
				}
				_, _ = fmt.Fprintf(w, "beat %d\n", n)
				_ = control.Flush()
			}
		})
		go func() { _, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
		answer, err := http.ReadResponse(bufio.NewReader(client), nil) //nolint:bodyclose // the connection is closed
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(answer.Body)
		if err != nil || strings.Count(string(all), "beat ") != beats {
			t.Errorf("%d beats came, not %d: %v", strings.Count(string(all), "beat "), beats, err)
		}
	})
}
