// Package loopback serves a handler on a port of the loopback: what all receivers of the benchmark stand on. Read next: package sink.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server listens until it is closed, by Close or Drain, once.
type Server struct {
	URL string // where it listens, without a path

	server *http.Server
	served chan error
}

// Open starts a server. It lasts until it is closed, whatever becomes of ctx.
func Open(ctx context.Context, h http.Handler) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on the loopback: %w", err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(), served: make(chan error, 1),
		server: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute},
	}
	go func() { s.served <- s.server.Serve(listener) }() // ended and joined by Close or Drain
	return s, nil
}

// Close ends the server and its connections, and waits for the listener.
func (s *Server) Close() error { return s.joined(s.server.Close()) }

// Drain ends the server when no request is under way any more.
func (s *Server) Drain() error { return s.joined(s.server.Shutdown(context.Background())) }

func (s *Server) joined(err error) error {
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
