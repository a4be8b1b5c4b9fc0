package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// ErrClosed is what a wait returns when the receiver was closed before what it waited for had come.
var ErrClosed = errors.New("the receiver is closed")

// A Receiver is an HTTP server that records, verifies and answers what is sent to it, at any path. Its methods may be called
// from many goroutines at once. Memory is bounded by Options.Keep, and beyond that grows by about 50 bytes for each message id
// and by less than 1 KiB for each path.
//
// Its own methods for scripts, secrets, waits and accounts speak of all paths together; [Receiver.Endpoint] narrows them to one.
type Receiver struct {
	scope
	opts    Options
	base    string
	server  *http.Server
	conns   sync.WaitGroup  // the connections' goroutines
	closing context.Context // ends with Close or with Start's ctx
	release context.CancelFunc
	ended   chan struct{} // closed when all goroutines but the last have ended

	hasher    hasher
	endpoints sync.Map // path -> *Endpoint

	mu      sync.Mutex // guards what follows, and the replies and ledgers of all scopes
	n       int
	broken  int
	kept    ring
	waiters map[*waiter]struct{}
}

// An Endpoint is one path of a receiver. Secrets and replies given to it go before the receiver's.
type Endpoint struct {
	scope
	ledger ledger
}

// Start begins to listen and to answer. The receiver ends with Close, or when ctx ends. It fails if the address cannot be
// listened on or the secret cannot be read.
func Start(ctx context.Context, o Options) (*Receiver, error) {
	o = o.withDefaults()
	r := &Receiver{
		opts: o, ended: make(chan struct{}), hasher: newHasher(),
		kept: ring{size: o.Keep}, waiters: map[*waiter]struct{}{},
	}
	r.scope = scope{r: r}
	if err := r.SetSecret(o.Secret); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("receiver cannot listen on %q: %w; give another address, port 0 takes a free one", o.Listen, err)
	}
	r.base = "http://" + listener.Addr().String()
	closing, release := context.WithCancel(ctx)
	r.closing, r.release = closing, release
	r.server = &http.Server{
		Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), ConnState: r.track,
	}
	go r.run(closing, listener) // joined by Close
	return r, nil
}

// run serves until closing ends, lets go what is under way, and joins every goroutine.
func (r *Receiver) run(closing context.Context, l net.Listener) {
	defer close(r.ended)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = r.server.Serve(l) // always ErrServerClosed, after Shutdown
	}()
	<-closing.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(closing), closeGrace)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		_ = r.server.Close() // the rest is cut off
	}
	<-served
	r.conns.Wait()
}

// track counts the goroutines of connections. The new ones are counted by the goroutine of Serve, so none is added once it ended.
func (r *Receiver) track(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		r.conns.Add(1)
	}
	if state == http.StateClosed || state == http.StateHijacked {
		r.conns.Done()
	}
}

// closeGrace is for answers that are being written while the receiver closes. It is short because Shutdown would wait up to 5 s
// for a connection on which nothing was ever sent, which senders leave behind when they dial two at once.
const closeGrace = 250 * time.Millisecond

// Close stops listening, lets hanging, held and delayed answers go (their connections are closed), wakes all waits with
// [ErrClosed], and returns when every goroutine of the receiver has ended. What was recorded stays readable. Calls after the
// first wait for it and do nothing. The error is always nil.
func (r *Receiver) Close() error {
	r.release()
	<-r.ended
	return nil
}

// URL is where the receiver listens: scheme, host and port, no path.
func (r *Receiver) URL() string { return r.base }

// Endpoint is one path of the receiver. It is the same value whenever it is asked for; the path need not have been used.
func (r *Receiver) Endpoint(path string) *Endpoint {
	path = "/" + strings.TrimPrefix(path, "/")
	found, ok := r.endpoints.Load(path)
	if !ok {
		found, _ = r.endpoints.LoadOrStore(path, &Endpoint{
			scope: scope{r: r, path: path}, ledger: ledger{seen: map[idKey]tally{}},
		})
	}
	e, _ := found.(*Endpoint) // nothing else is stored
	return e
}

// URL is where the endpoint listens.
func (e *Endpoint) URL() string { return e.r.base + e.path }
