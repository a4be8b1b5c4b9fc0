package control

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"posthorn/harness"
)

// Options shape a [Handler].
type Options struct {
	// Token, when set, must be in every request's header: Authorization: Bearer TOKEN. Then any host may be asked for.
	Token string
}

// An api is what a handler works on.
type api struct {
	receiver *harness.Receiver
	token    string

	mu   sync.Mutex
	hold chan struct{} // what the replies with "hold" wait for; closed and made anew by release
}

// Handler is the API over a receiver, which stays the caller's to close. It may be mounted under a prefix with http.StripPrefix.
func Handler(r *harness.Receiver, o Options) http.Handler {
	a := &api{receiver: r, token: o.Token, hold: make(chan struct{})}
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*http.Request) (int, any, error){
		"GET /deliveries": a.deliveries,
		"GET /await":      a.await,
		"GET /account":    a.account,
		"PUT /script":     a.script,
		"POST /endpoints": a.endpoint,
		"POST /release":   a.release,
		"POST /reset":     a.reset,
	} {
		mux.Handle(pattern, answering(serve))
	}
	mux.Handle("/", answering(func(r *http.Request) (int, any, error) {
		return 0, nil, refuse(http.StatusNotFound, "%s %s is refused: there is no such route; there are GET /deliveries, /await and /account, "+
			"PUT /script, POST /endpoints, /release and /reset", r.Method, r.URL.Path)
	}))
	return a.guard(mux)
}

// NewScript makes what a receiver takes, without an API. There is then nothing that could release a reply, so Hold has no meaning.
func NewScript(all ...Reply) ([]harness.Reply, error) { return replies(all, nil) }

// guard lets in who has the token, or, if there is none, who is on this machine and is no web page of another one. A name that was made
// to lead here (DNS rebinding) shows in Host, a page in Origin.
func (a *api) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.admit(r); err != nil {
			problem(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *api) admit(r *http.Request) error {
	if a.token != "" {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(a.token)) != 1 {
			return refuse(http.StatusUnauthorized, "the request is refused: it does not carry the control API's token; send Authorization: Bearer TOKEN")
		}
		return nil
	}
	for name, value := range map[string]string{"Host": r.Host, "Origin": r.Header.Get("Origin")} {
		if value != "" && !local(value) {
			return refuse(http.StatusForbidden, "the request is refused: its %s %.100q is not of this machine, and without a token only this machine "+
				"is let in; call http://127.0.0.1, or give the control API a token", name, value)
		}
	}
	return nil
}

// local says whether a host, with a port or not, or an origin is of this machine, without asking a resolver that others may govern.
func local(value string) bool {
	if origin, err := url.Parse(value); err == nil && origin.Host != "" {
		value = origin.Host
	}
	if host, _, err := net.SplitHostPort(value); err == nil {
		value = host
	}
	ip, err := netip.ParseAddr(strings.Trim(value, "[]"))
	return strings.EqualFold(value, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// part is what a receiver and one of its endpoints have in common.
type part interface {
	URL() string
	SetSecret(secret string) error
	SetHMAC(h harness.HMAC) error
	Script(replies ...harness.Reply)
	Account(ids ...string) harness.Account
	Deliveries() []harness.Delivery
	Await(ctx context.Context, n int) error
	AwaitID(ctx context.Context, id string, n int) error
	AwaitAll(ctx context.Context, ids ...string) error
}

func (a *api) part(path string) part {
	if path == "" {
		return a.receiver
	}
	return a.receiver.Endpoint(path)
}

func (a *api) held() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hold
}

func (a *api) release(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.hold)
	a.hold = make(chan struct{})
	return http.StatusNoContent, nil, nil
}

func (a *api) reset(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	a.receiver.Reset()
	return http.StatusNoContent, nil, nil
}
