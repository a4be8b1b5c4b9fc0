package restycaller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"syscall"
	"unicode/utf8"

	"code.dny.dev/ssrf"
)

// A guard dials, and refuses addresses that a webhook has no business with: loopback, private, link-local (with the metadata
// services of clouds), multicast, and whatever else IANA's special-purpose registries hold, in IPv4 and in IPv6 with the forms of
// IPv6 that carry an IPv4 address (mapped, NAT64, 6to4). It looks at the address that is about to be dialled, after the name was
// resolved, so a name that resolves to something else the second time (DNS rebinding) does not get past it. Of a name with several
// addresses each is judged: one that is refused refuses the name.
type guard struct {
	open    bool // everything may be dialled
	targets Targets
	refuser *ssrf.Guardian
	guarded net.Dialer
	free    net.Dialer
	tunnel  tunnel
}

func newGuard(o Options) *guard {
	// The host of an Azure machine answers there, at an address that no registry calls special.
	// Source: learn.microsoft.com, "What is IP address 168.63.129.16?".
	azureHost := netip.MustParsePrefix("168.63.129.16/32")

	g := &guard{
		open:    o.AllowPrivate,
		targets: o.Allow,
		refuser: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureHost)),
		free:    net.Dialer{Timeout: o.ConnectTimeout, Resolver: o.Resolver},
		tunnel:  tunnel{proxy: o.Proxy, rootCAs: o.RootCAs},
	}
	g.guarded = g.free
	g.guarded.Control = g.control

	return g
}

// dial is for http.Transport.DialContext. A name among the targets is dialled whatever it resolves to.
func (g *guard) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	free := g.open || g.targets.allowsName(hostport)
	if !free && isUnusual(hostport) {
		return nil, &blockedError{address: hostport, reason: errUnusualHost}
	}

	proxy, err := g.tunnel.proxy.choose(sendingOf(ctx).scheme, hostport)

	switch {
	case err != nil:
		return nil, err
	case proxy != nil:
		return g.dialThrough(ctx, proxy, hostport, free)
	case free:
		return g.free.DialContext(ctx, network, hostport)
	default:
		return g.dialGuarded(ctx, network, hostport)
	}
}

// dialGuarded judges all that a name resolves to before anything is dialled; control judges once more what is. The trace shows the
// addresses of the dialler's own lookup: a lookup of ours before it would cost each connection a second one.
func (g *guard) dialGuarded(ctx context.Context, network, hostport string) (net.Conn, error) {
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)

	_, port, _ := splitPort(hostport)

	conn, err := g.guarded.DialContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(found httptrace.DNSDoneInfo) {
			for _, one := range found.Addrs {
				addr, _ := netip.AddrFromSlice(one.IP)
				if err := g.judge(netip.AddrPortFrom(addr.Unmap().WithZone(one.Zone), port)); err != nil {
					refuse(err) // a dialler whose context has ended opens nothing
				}
			}
		},
	}), network, hostport)

	if cause := context.Cause(ctx); err != nil && isA[*blockedError](cause) {
		return nil, cause
	}

	return conn, err
}

// control is for net.Dialer.Control: it sees each address right before the connection is made.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{address: address, reason: err}
	}

	return g.judge(a)
}

// judge returns a *blockedError for an address that may not be dialled.
func (g *guard) judge(a netip.AddrPort) error {
	if g.targets.allowsAddress(a) {
		return nil
	}

	if err := g.refuser.SafeAddrPort(a); err != nil {
		// Without the zone: a target has none.
		return &blockedError{address: netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String(), reason: err}
	}

	return nil
}

var errUnusualHost = errors.New("host is neither a name nor an address in the usual form")

// isUnusual says whether resolvers are not of one mind about a host: some take it for an address, others look it up, so that what
// came of it would be left to chance. What is not ASCII here has been refused by IDNA.
func isUnusual(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return true
	}

	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}

	ascii := !strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf })

	return !ascii || endsInNumber(strings.TrimRight(strings.ToLower(host), "."))
}

// A blockedError says that the guard refused an address.
type blockedError struct {
	address string
	reason  error
}

func (e *blockedError) Error() string {
	return fmt.Sprintf("address %s blocked: %v", e.address, e.reason)
}

func (e *blockedError) Unwrap() error { return e.reason }
