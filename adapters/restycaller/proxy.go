package restycaller

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// A Proxy says which calls go through a forward proxy, and which. The zero value is none. It does not change; it may be used from
// many goroutines at once.
type Proxy struct {
	find func(*url.URL) (*url.URL, error)
}

// ParseProxy reads the value of --proxy and Options.Proxy: the URL of a proxy for http and https, as
// http://user:password@proxy.internal:3128. The scheme is that spoken with the proxy, http (which may be left out) or https. An
// empty value leaves it to the environment: HTTPS_PROXY and HTTP_PROXY by the scheme of the call. In both cases NO_PROXY names the
// hosts that are called directly; these, and localhost with loopback addresses always, pass the guard as they would without a
// proxy. The environment is read once, here. The error holds neither user nor password.
func ParseProxy(value string) (Proxy, error) {
	config := httpproxy.FromEnvironment()
	if value != "" {
		config = &httpproxy.Config{HTTPProxy: value, HTTPSProxy: value, NoProxy: config.NoProxy}
	}

	// httpproxy would ignore what it cannot read, and calls would go out directly.
	for name, one := range map[string]string{"HTTP_PROXY": config.HTTPProxy, "HTTPS_PROXY": config.HTTPSProxy} {
		if value != "" {
			name = "--proxy"
		}

		if err := checkProxy(one); err != nil {
			return Proxy{}, fmt.Errorf("proxy of %s refused: %w; give it as http://user:password@proxy.internal:3128", name, err)
		}
	}

	return Proxy{find: config.ProxyFunc()}, nil
}

func checkProxy(value string) error {
	if value == "" {
		return nil
	}

	if !strings.Contains(value, "://") {
		value = "http://" + value // as httpproxy reads it
	}

	u, err := url.Parse(value)

	switch {
	case err != nil || u.Hostname() == "":
		return fmt.Errorf("it is no URL with a host")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is not http or https, and no other proxies are spoken to", cut(u.Scheme, 32))
	default:
		return nil
	}
}

// choose returns the proxy for a call to host:port, nil for none.
func (p Proxy) choose(scheme, hostport string) (*url.URL, error) {
	if p.find == nil {
		return nil, nil //nolint:nilnil // as http.Transport.Proxy does
	}

	proxy, err := p.find(&url.URL{Scheme: scheme, Host: hostport})
	if err != nil { // the environment is that of a CGI program, where HTTP_PROXY may come from a stranger
		return nil, &proxyError{"of HTTP_PROXY", "is not used: " + err.Error() + "; unset REQUEST_METHOD, or give --proxy", err}
	}

	return proxy, nil
}

// proxyPort is the proxy's host:port.
func proxyPort(proxy *url.URL) string {
	if port := proxy.Port(); port != "" {
		return net.JoinHostPort(proxy.Hostname(), port)
	}

	return net.JoinHostPort(proxy.Hostname(), proxy.Scheme)
}

// A proxyError says that the proxy failed, or refused; the receiver was not reached.
type proxyError struct {
	proxy string // without user and password
	fault string // what, why, and what to do
	err   error
}

func (e *proxyError) Error() string { return "the proxy " + e.proxy + " " + e.fault }

func (e *proxyError) Unwrap() error { return e.err }

func proxyFault(proxy *url.URL, err error, format string, args ...any) *proxyError {
	return &proxyError{origin(proxy), fmt.Sprintf(format, args...), err}
}

// silent is the fault of a proxy that keeps us waiting.
func silent(proxy *url.URL, err error) *proxyError {
	return proxyFault(proxy, err, "did not answer in time; see whether it is up, and whether --proxy or HTTPS_PROXY names it right")
}
