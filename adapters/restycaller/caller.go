// Package restycaller is the [ports.Caller] over go-resty: one HTTP attempt, no retry, no redirect, no cookies, a bounded
// answer, and a dial that refuses private addresses, also where a forward proxy dials in our place.
//
// Read next: guard.go for what may be dialled, tunnel.go for the way through a proxy, classify.go for how failures are told apart.
package restycaller

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"posthorn/ports"
)

// Options of a Caller. The zero value works, and refuses private addresses.
type Options struct {
	// Allow may be called although the guard would refuse it.
	Allow Targets
	// AllowPrivate switches the guard off: everything may be called. It is what --dev sets.
	AllowPrivate bool
	// Proxy is the forward proxy to go through. The zero value is none, whatever the environment says.
	Proxy Proxy
	// Resolver looks names up, those of proxies too. Nil means the system's.
	Resolver *net.Resolver
	// ConnectTimeout bounds the name lookup with the connection and the proxy's consent, and once more the TLS handshake. 0 means 5 s.
	ConnectTimeout time.Duration
	// MaxResponse is how many bytes of a response body are kept. 0 means 16 KiB.
	MaxResponse int
	// RootCAs are the authorities trusted for https, of receivers and proxies, in place of the system's. Nil means the system's.
	RootCAs *x509.CertPool
}

const (
	defaultConnectTimeout = 5 * time.Second
	defaultMaxResponse    = 16 << 10
)

// The pool of idle connections. One host may have as many as the engine's window of 1,024 calls: many webhooks are often one
// gateway's, and with 64 most connections were closed and dialled again, a quarter of a call's processor time. All hosts together
// have twice that. There is no limit on busy connections a host: calls that wait for one would use up their timeout, and slow
// webhooks would harm others on the same host.
const (
	maxIdle        = 2048
	maxIdlePerHost = 1024
	idleTimeout    = 60 * time.Second
)

// maxResponseHeader bounds what a receiver can make us hold in memory before its body begins; Go's default is 10 MiB.
const maxResponseHeader = 64 << 10

// A quiet HTTP/2 connection is probed, so that one whose other end has vanished is not used for call after call.
const (
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
)

// A Caller makes HTTP attempts with one pool of connections. Make one with [New].
type Caller struct {
	client      *resty.Client
	transport   *http.Transport
	maxResponse int
}

// New returns a caller. It starts no goroutine; connections do, until Close or a minute of idleness.
func New(o Options) (*Caller, error) {
	if o.ConnectTimeout < 0 || o.MaxResponse < 0 {
		return nil, fmt.Errorf("caller options refused: ConnectTimeout %s or MaxResponse %d is negative; give 0 for the default",
			o.ConnectTimeout, o.MaxResponse)
	}

	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}

	if o.MaxResponse == 0 {
		o.MaxResponse = defaultMaxResponse
	}

	return newCaller(o, newGuard(o)), nil
}

func newCaller(o Options, g *guard) *Caller {
	transport := newTransport(o, g)

	return &Caller{client: newClient(transport), transport: transport, maxResponse: o.MaxResponse}
}

func newTransport(o Options, g *guard) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // it would be asked for names that nobody has judged: the guard goes through the proxy itself
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableCompression:     true, // the answer is kept as sent, and cannot swell
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

func newClient(transport http.RoundTripper) *resty.Client {
	// Resty's own NoRedirectPolicy makes an error of a 3xx, and its New a cookie jar.
	hc := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	return resty.NewWithClient(hc).
		SetDisableWarn(true).
		SetDoNotParseResponse(true). // the body is read here, with a limit
		SetPreRequestHook(sendExactly)
}

// Close closes the idle connections; those in use close with their calls. It is idempotent, and never fails.
func (c *Caller) Close() error {
	c.transport.CloseIdleConnections()

	return nil
}

// Call implements [ports.Caller]. The header Host is not sent: it is always that of the URL.
func (c *Caller) Call(ctx context.Context, r ports.Request) ports.Reply {
	start := time.Now()
	reply := c.attempt(ctx, r)
	reply.Took = time.Since(start)

	return reply
}

func (c *Caller) attempt(parent context.Context, r ports.Request) ports.Reply {
	target, header, err := prepare(r)
	if err != nil {
		return ports.Reply{Class: ports.ClassInternal, Error: oneLine(err.Error())}
	}

	sending := context.WithValue(parent, sendingKey{}, &sending{header: header, scheme: target.Scheme})

	ctx, cancel := context.WithTimeout(sending, r.Timeout)
	defer cancel()

	call := call{ctx: ctx, parent: parent, origin: origin(target), timeout: r.Timeout}

	res, err := c.client.R().SetContext(ctx).SetBody(bytes.NewReader(r.Body)).Post(r.URL)
	if err != nil {
		return call.failed(err)
	}

	return c.read(call, res.RawResponse, cancel)
}

// prepare checks what would make the request fail for a fault of ours, so that every later failure is the network's or the
// receiver's.
func prepare(r ports.Request) (*url.URL, http.Header, error) {
	target, err := url.Parse(r.URL)
	if err != nil {
		if parsing, ok := errors.AsType[*url.Error](err); ok {
			err = parsing.Err // without the URL, which may hold secrets
		}

		return nil, nil, fmt.Errorf("call refused: its URL cannot be read: %w; register the webhook with another URL", err)
	}

	if target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" {
		return nil, nil, fmt.Errorf("call to %s refused: the URL is not http or https with a host; register the webhook with another URL",
			origin(target))
	}

	values := make([]string, 0, len(r.Header)) // one slice for all, as http.Header.Clone has
	header := make(http.Header, len(r.Header)+1)
	header["User-Agent"] = nil // or Go sends its own

	for name, value := range r.Header {
		if !isToken(name) || !isFieldValue(value) {
			return nil, nil, fmt.Errorf("call to %s refused: the header %q has characters that HTTP forbids, in name or value; change it",
				origin(target), cut(name, 64))
		}

		i := len(values)
		values = append(values, value)
		header[http.CanonicalHeaderKey(name)] = values[i : i+1 : i+1]
	}

	return target, header, nil
}

// isToken says whether s may be a header's name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z' // of either case
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// isFieldValue says whether s may be a header's value (RFC 9110, section 5.5): no control characters but the tab.
func isFieldValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// A sending is what hooks need to know of an attempt. It is in the request's context, and so in that of its dial.
type sending struct {
	header http.Header
	scheme string
	// waitsFor is the proxy from the start of its dial to its consent. A context that ends meanwhile ends the attempt at once, with
	// no other trace of who kept it waiting.
	waitsFor atomic.Pointer[url.URL]
}

type sendingKey struct{}

func sendingOf(ctx context.Context) *sending {
	if s, ok := ctx.Value(sendingKey{}).(*sending); ok {
		return s
	}

	return new(sending)
}

// sendExactly is the last to touch a request. It takes away the headers that resty adds (User-Agent, Accept, a guessed
// Content-Type). And it takes away GetBody where net/http would by itself send a POST twice: it does so on a broken connection if a
// header says that the request is idempotent.
func sendExactly(_ *resty.Client, r *http.Request) error {
	header := sendingOf(r.Context()).header
	r.Header = header

	if header["Idempotency-Key"] != nil || header["X-Idempotency-Key"] != nil {
		r.GetBody = nil
	}

	return nil
}

// origin is as much of a URL as may stand in an error: neither path nor query, which hold tokens, nor user and password.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
