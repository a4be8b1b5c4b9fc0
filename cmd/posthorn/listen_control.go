package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// checkControl refuses to open the control API to others than this machine without a token. A port alone means the loopback.
func (c *listenCmd) checkControl(ctx context.Context) error {
	if c.Control == "" {
		if c.ControlToken != "" {
			return refuse("a control token is refused: there is no control API; give --control 127.0.0.1:0 too")
		}
		return nil
	}
	if err := checkAddress(ctx, c.Control); err != nil {
		return err
	}
	if host, port, _ := net.SplitHostPort(c.Control); host == "" {
		c.Control = net.JoinHostPort("127.0.0.1", port)
	}
	if c.ControlToken == "" && !loopback(c.Control) {
		return refuse("control address %q is refused: others could reach it, read what comes and change the script; "+
			"give 127.0.0.1:PORT, or a token in POSTHORN_CONTROL_TOKEN", c.Control)
	}
	return nil
}

// A controlServer serves the control API beside the receiver.
type controlServer struct {
	url   string
	http  *http.Server
	ended chan struct{}
}

func startControl(ctx context.Context, address string, h http.Handler) (*controlServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, exitWith(exitIO, fmt.Errorf("control address %q is refused: %w; stop what uses it or give another --control", address, err))
	}
	s := &controlServer{
		url: "http://" + listener.Addr().String(), ended: make(chan struct{}),
		http: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)},
	}
	go func() { // ends with close
		defer close(s.ended)
		_ = s.http.Serve(listener) // always ErrServerClosed
	}()
	return s, nil
}

// close ends it at once: who waits has nothing more to hear.
func (s *controlServer) close() {
	_ = s.http.Close()
	<-s.ended
}
