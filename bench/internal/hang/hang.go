// Package hang is a receiver that takes every request and answers none. Read next: package contest, whose isolation sets it beside
// a receiver that answers.
package hang

import (
	"context"
	"io"
	"net/http"
	"sync"

	"posthorn/bench/internal/loopback"
)

// A Receiver listens on a port of the loopback until it is closed, and holds each request until its client gives up. Its methods may
// be called from many goroutines at once.
type Receiver struct {
	*loopback.Server // any path will do

	mu     sync.Mutex
	counts Counts

	ended context.Context
	end   context.CancelFunc
}

// Open starts a receiver. It lasts until Close, whatever becomes of ctx.
func Open(ctx context.Context) (*Receiver, error) {
	r := new(Receiver)
	r.ended, r.end = context.WithCancel(context.Background())
	var err error
	r.Server, err = loopback.Open(ctx, r)
	return r, err
}

// Close lets go of what is held, without an answer, and waits for it.
func (r *Receiver) Close() error {
	r.end()
	return r.Drain()
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
