package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ErrClosed is what a wait returns when the receiver was closed before what it waited for had come.
var ErrClosed = errors.New("the receiver is closed")

// A Receiver is an HTTP server that records, verifies and answers what is sent to it, at any path. Its methods may be called
// from many goroutines at once. Memory is bounded by Options.Keep, and beyond that grows by 50 to 90 bytes for each message id
// and by less than 1 KiB for each path.
//
// Its own methods for scripts, secrets, waits and accounts speak of all paths together; [Receiver.Endpoint] narrows them to one.
type Receiver struct {
	scope
	opts      Options
	base      string
	authority *authority // nil without TLS
	server    *http.Server
	began     time.Time
	conns     sync.WaitGroup  // the connections' goroutines
	emptied   chan struct{}   // has a value when, after closing ended, no request is under way any more
	closing   context.Context // ends with Close or with Start's ctx
	release   context.CancelFunc
	ended     chan struct{} // closed when all goroutines but the last have ended

	hasher     hasher
	endpoints  sync.Map // path -> *Endpoint
	unscripted Reply    // the answer when nothing is scripted

	mu      sync.Mutex // guards what follows, and the replies, ledgers and expectations of all scopes
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
// listened on, the secret cannot be read or there is no such kind of TLS.
func Start(ctx context.Context, o Options) (*Receiver, error) {
	o = o.withDefaults()
	r := &Receiver{
		opts: o, began: time.Now(), emptied: make(chan struct{}, 1), ended: make(chan struct{}), hasher: newHasher(),
		kept: ring{size: o.Keep}, waiters: map[*waiter]struct{}{},
	}
	r.scope = scope{r: r}
	if err := r.setChecks(); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("receiver cannot listen on %q: %w; give another address, port 0 takes a free one", o.Listen, err)
	}
	closing, release := context.WithCancel(ctx)
	r.closing, r.release = closing, release
	if err := r.prepare(listener); err != nil {
		release()
		return nil, errors.Join(err, listener.Close())
	}
	go r.run(closing, listener) // joined by Close
	return r, nil
}

// prepare makes the server, with its certificate if it is to have one.
func (r *Receiver) prepare(l net.Listener) error {
	r.base = "http://" + l.Addr().String()
	r.server = &http.Server{
		Handler: r, ReadHeaderTimeout: time.Minute, Protocols: r.opts.Protocols,
		ErrorLog: log.New(handshakes{r}, "", 0), ConnState: r.track,
	}
	if r.opts.TLS == NoTLS {
		return nil
	}
	host, _, err := net.SplitHostPort(r.opts.Listen)
	if err != nil || host == "" {
		host = "localhost"
	}
	if r.authority, err = newAuthority(r.opts.TLS, host); err != nil {
		return err
	}
	r.base = "https://" + l.Addr().String()
	r.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{r.authority.served}, MinVersion: tls.VersionTLS12}
	return nil
}

// handshakes takes what the server logs, and counts the TLS handshakes that broke off. There is no other way to hear of them.
type handshakes struct{ r *Receiver }

// Write never fails.
func (h handshakes) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("TLS handshake error")) {
		h.r.breakOff()
	}
	return len(line), nil
}

// run serves until closing ends, lets go what is under way, and joins every goroutine.
func (r *Receiver) run(closing context.Context, l net.Listener) {
	defer close(r.ended)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if r.authority != nil {
			_ = r.server.ServeTLS(l, "", "") // always ErrServerClosed, after Shutdown
		} else {
			_ = r.server.Serve(l) // as above
		}
	}()
	<-closing.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(closing), closeGrace)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		_ = r.server.Close() // the rest is cut off
	}
	<-served
	r.conns.Wait()
	for r.underWay.Load() > 0 { // of HTTP/2, whose requests outlive their connection
		<-r.emptied
	}
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

// Reset forgets what came, what is expected and what is scripted, at all paths, as if the receiver had just started. Secrets stay, and
// so do the answers under way; the numbers of deliveries go on. A wait that has begun goes on with what it has counted.
func (r *Receiver) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken, r.kept = 0, ring{size: r.opts.Keep}
	r.forget()
	r.endpoints.Range(func(_, v any) bool {
		e, _ := v.(*Endpoint) // nothing else is stored
		e.forget()
		e.ledger = newLedger()
		return true
	})
}

// URL is where the receiver listens: scheme, host and port, no path.
func (r *Receiver) URL() string { return r.base }

// Endpoint is one path of the receiver. It is the same value whenever it is asked for; the path need not have been used.
func (r *Receiver) Endpoint(path string) *Endpoint {
	path = "/" + strings.TrimPrefix(path, "/")
	found, ok := r.endpoints.Load(path)
	if !ok {
		found, _ = r.endpoints.LoadOrStore(path, &Endpoint{
			scope: scope{r: r, path: path}, ledger: newLedger(),
		})
	}
	e, _ := found.(*Endpoint) // nothing else is stored
	return e
}

// URL is where the endpoint listens, with what a URL cannot have in its path escaped.
func (e *Endpoint) URL() string { return e.r.base + (&url.URL{Path: e.path}).EscapedPath() }
