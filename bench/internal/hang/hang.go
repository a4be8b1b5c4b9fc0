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
	"sync"
	"time"
)

// A Receiver listens on a port of the loopback until it is closed, and holds each request until its client gives up. Its methods may
// be called from many goroutines at once.
type Receiver struct {
	URL string // where it listens, without a path; any path will do

	mu     sync.Mutex
	counts Counts

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

// Counts are the requests of a receiver.
type Counts struct {
	Holding, Most int // held now, and held at once at the most
	Taken         int // in all
}

// Counts returns what they are now.
func (r *Receiver) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

func (r *Receiver) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Taken++
	r.counts.Holding++
	r.counts.Most = max(r.counts.Most, r.counts.Holding)
}

func (r *Receiver) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Holding--
}

// ServeHTTP holds a request until its client or the receiver ends, and closes the connection.
func (r *Receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	// Only once the body is read does the server see a client that goes away.
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	r.hold()
	defer r.letGo()
	select {
	case <-req.Context().Done():
	case <-r.ended.Done():
	}
	panic(http.ErrAbortHandler) // returning would answer 200
}
