// Package hang is a receiver that takes every request and answers none. Read next: package contest, whose isolation sets it beside
// a receiver that answers.
package hang

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A Receiver listens on a port of the loopback until it is closed, and holds each request until its client gives up. Its methods may
// be called from many goroutines at once.
type Receiver struct {
	URL string // where it listens, without a path; any path will do

	holding, most, taken atomic.Int64

	ended  context.Context
	end    context.CancelFunc
	server *http.Server
	served chan error
}

// Open starts a receiver. It lasts until Close, whatever becomes of ctx.
func Open(ctx context.Context) (*Receiver, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the hanging receiver: %w", err)
	}
	r := &Receiver{URL: "http://" + listener.Addr().String(), served: make(chan error, 1)}
	r.ended, r.end = context.WithCancel(context.Background())
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { r.served <- r.server.Serve(listener) }() // ended and joined by Close
	return r, nil
}

// Close lets go of what is held, without an answer, and waits for it.
func (r *Receiver) Close() error {
	r.end()
	err := r.server.Shutdown(context.Background()) // nothing is held any more, so it ends
	if served := <-r.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Holding says how many requests are held now, Most how many were at the most, and Taken how many came in all.
func (r *Receiver) Holding() int { return int(r.holding.Load()) }

// Most is described at Holding.
func (r *Receiver) Most() int { return int(r.most.Load()) }

// Taken is described at Holding.
func (r *Receiver) Taken() int { return int(r.taken.Load()) }

// ServeHTTP holds a request until its client or the receiver ends, and closes the connection.
func (r *Receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	// Only once the body is read does the server see a client that goes away.
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	r.taken.Add(1)
	now := r.holding.Add(1)
	defer r.holding.Add(-1)
	for most := r.most.Load(); now > most && !r.most.CompareAndSwap(most, now); most = r.most.Load() {
	}
	select {
	case <-req.Context().Done():
	case <-r.ended.Done():
	}
	panic(http.ErrAbortHandler) // returning would answer 200
}
