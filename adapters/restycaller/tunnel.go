package restycaller

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// A tunnel goes through a forward proxy. The proxy is asked by CONNECT for an address that the guard has judged, never for a name,
// which it would resolve for itself: what the name is then (DNS rebinding) would be nobody's business. So http goes through a
// tunnel too. The proxy itself is the operator's, and is dialled whatever its address.
type tunnel struct {
	proxy   Proxy
	rootCAs *x509.CertPool
}

// dialThrough opens a tunnel to host:port, by name if that may be called whatever it resolves to.
func (g *guard) dialThrough(ctx context.Context, proxy *url.URL, hostport string, free bool) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.free.Timeout)
	defer cancel()

	targets := []string{hostport}
	if !free {
		if targets, err = g.resolve(ctx, hostport); err != nil {
			return nil, err
		}
	}

	waiting := sendingOf(ctx)

	waiting.waitsFor.Store(proxy)
	defer waiting.waitsFor.Store(nil)

	for _, target := range targets {
		conn, err = g.connect(ctx, proxy, target)
		if err == nil || !isA[*farError](err) {
			break
		}
	}

	return conn, err
}

// resolve returns what the proxy is asked for: the first address of each family, for we cannot know which of them it has. All
// addresses are judged.
func (g *guard) resolve(ctx context.Context, hostport string) ([]string, error) {
	host, port, _ := splitPort(hostport)

	resolver := g.free.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}

	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, hereNotThere(err)
	}

	var first4, first6 []string

	for _, addr := range addrs {
		a := netip.AddrPortFrom(addr.Unmap(), port)

		switch err := g.judge(a); {
		case err != nil:
			return nil, err
		case a.Addr().Is4() && first4 == nil:
			first4 = []string{a.String()}
		case a.Addr().Is6() && first6 == nil:
			first6 = []string{a.String()}
		}
	}

	return append(first4, first6...), nil
}

// hereNotThere adds why a name that the proxy may know was not found.
func hereNotThere(err error) error {
	unknown, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return err
	}

	told := *unknown
	told.Err += "; it is resolved here, for the proxy is asked for addresses, unless --allow-target leaves the name to it"

	return &told
}

// connect dials the proxy and asks it for a target.
func (g *guard) connect(ctx context.Context, proxy *url.URL, target string) (net.Conn, error) {
	conn, err := g.free.DialContext(ctx, "tcp", proxyPort(proxy))
	if err != nil {
		return nil, proxyFault(proxy, err, "could not be reached (%s); see whether it is up, and whether --proxy or HTTPS_PROXY names it right",
			detail(err))
	}

	if proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname(), RootCAs: g.tunnel.rootCAs, MinVersion: tls.VersionTLS12})
		conn = secure
		err = secure.HandshakeContext(ctx)
	}

	switch {
	case err != nil && ctx.Err() != nil:
		err = silent(proxy, err)
	case err != nil:
		err = proxyFault(proxy, err, "is not trusted or speaks no TLS (%s); repair its certificate, or trust its authority with --ca-file",
			detail(err))
	default:
		err = ask(ctx, conn, proxy, target)
	}

	if err != nil {
		_ = conn.Close() // it is of no use any more

		return nil, err
	}

	return conn, nil
}

// ask sends CONNECT and reads the proxy's consent. The context bounds it, and must have an end.
func ask(ctx context.Context, conn net.Conn, proxy *url.URL, target string) error {
	hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
	answer, spoke, err := exchange(conn, proxy, target)

	switch {
	case !hangUp():
		return silent(proxy, ctx.Err())
	case err != nil || spoke:
		// What it said may hold the password that it was sent.
		return proxyFault(proxy, err, "gave no HTTP answer to CONNECT; see whether --proxy or HTTPS_PROXY names a proxy")
	case answer == http.StatusProxyAuthRequired:
		return proxyFault(proxy, nil, "wants a user and password, and was given none or others (%s); "+
			"write them into --proxy or HTTPS_PROXY, as http://user:password@%s", statusText(answer), proxy.Host)
	case answer/100 == 5:
		return &farError{refusal(proxy, target, answer)}
	case answer/100 != 2:
		return refusal(proxy, target, answer)
	default:
		return nil
	}
}

// exchange is one request and the head of its answer. spoke says that more came than the head: a tunnel is silent until we speak.
func exchange(conn net.Conn, proxy *url.URL, target string) (status int, spoke bool, err error) {
	r := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target,
		Header: http.Header{"User-Agent": {""}}, // none, or Go sends its own
	}

	if proxy.User != nil {
		password, _ := proxy.User.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)))
	}

	if err := r.Write(conn); err != nil {
		return 0, false, err
	}

	head := bufio.NewReader(io.LimitReader(conn, maxResponseHeader))

	res, err := http.ReadResponse(head, r)
	if err != nil {
		return 0, false, err
	}

	_ = res.Body.Close() // of CONNECT there is none; of a refusal it is not read

	return res.StatusCode, res.StatusCode/100 == 2 && head.Buffered() > 0, nil
}

// A farError is a refusal after which another address of the same receiver is worth asking for.
type farError struct{ refusal *proxyError }

func (e *farError) Error() string { return e.refusal.Error() }

func (e *farError) Unwrap() error { return e.refusal }

func refusal(proxy *url.URL, target string, status int) *proxyError {
	return proxyFault(proxy, nil, "did not connect to %s (%s); see its log, and whether it allows CONNECT to this port",
		target, statusText(status))
}

func statusText(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }
