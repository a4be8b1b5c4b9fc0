package restycaller

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// A guard dials, and refuses addresses that a webhook has no business with: loopback, private, link-local (with the metadata
// services of clouds), multicast, and whatever else IANA's special-purpose registries hold, in IPv4 and in IPv6 with the forms of
// IPv6 that carry an IPv4 address (mapped, NAT64, 6to4). It looks at the address that is about to be dialled, after the name was
// resolved, so a name that resolves to something else the second time (DNS rebinding) does not get past it.
type guard struct {
	targets Targets
	refuser *ssrf.Guardian
	guarded net.Dialer
	free    net.Dialer
}

func newGuard(o Options) *guard {
	// The host of an Azure machine answers there, at an address that no registry calls special.
	// Source: learn.microsoft.com, "What is IP address 168.63.129.16?".
	azureHost := netip.MustParsePrefix("168.63.129.16/32")

	g := &guard{
		targets: o.Allow,
		refuser: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureHost)),
		free:    net.Dialer{Timeout: o.ConnectTimeout},
	}
	g.guarded = g.free

	if !o.AllowPrivate {
		g.guarded.Control = g.control
	}

	return g
}

// dial is for http.Transport.DialContext. A name among the targets is dialled whatever it resolves to.
func (g *guard) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	if g.targets.allowsName(hostport) {
		return g.free.DialContext(ctx, network, hostport)
	}

	return g.guarded.DialContext(ctx, network, hostport)
}

// control is for net.Dialer.Control: it sees each address right before the connection is made.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err == nil && g.targets.allowsAddress(a) {
		return nil
	}

	if err := g.refuser.Safe(network, address, nil); err != nil {
		return &blockedError{address: address, reason: err}
	}

	return nil
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
