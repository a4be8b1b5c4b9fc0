package restycaller_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

func startReceiver(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()

	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return strings.TrimPrefix(server.URL, "http://")
}

// The proxy is asked for the address that was judged, never for a name, and with the password that it was given.
func TestProxyIsAskedForWhatWasJudged(t *testing.T) {
	t.Parallel()

	hosts := make(chan string, 10)
	receiver := startReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		hosts <- r.Method + " " + r.Host + r.URL.Path
	})
	names := startNameServer(t)
	p := startProxy(t, map[string]string{"1.1.1.1:8080": receiver, "[2606:4700::1111]:80": receiver})
	c := openWith(t, restycaller.Options{
		Proxy: parseProxy(t, strings.Replace(p.url(), "http://", "http://user:p%40ss@", 1)), Resolver: names.resolver(),
	})

	for _, test := range []struct{ url, asked, arrived string }{
		{"http://1-1-1-1.answers.test:8080/hook", "CONNECT 1.1.1.1:8080", "POST 1-1-1-1.answers.test:8080/hook"},
		{"http://1.1.1.1:8080/hook", "CONNECT 1.1.1.1:8080", "POST 1.1.1.1:8080/hook"},
		{"http://2606-4700--1111.answers.test/", "CONNECT [2606:4700::1111]:80", "POST 2606-4700--1111.answers.test/"},
		{"http://1-1-1-1.then.127-0-0-1.answers.test:8080/", "CONNECT 1.1.1.1:8080", "POST 1-1-1-1.then.127-0-0-1.answers.test:8080/"},
	} {
		r := call(t, c, test.url)
		if asked := p.requests(); r.Class != ports.ClassOK || !slices.Equal(asked, []string{test.asked}) {
			t.Errorf("%s: class %q (%s), and the proxy was asked %q; want %q", test.url, r.Class, r.Error, asked, test.asked)

			continue
		}

		if arrived := <-hosts; arrived != test.arrived {
			t.Errorf("%s: %q arrived, want %q", test.url, arrived, test.arrived)
		}
	}

	if p.password != "Basic dXNlcjpwQHNz" { // user:p@ss
		t.Errorf("the proxy was given %q", p.password)
	}

	if err := c.Close(); err != nil { // the next call needs a connection of its own
		t.Error(err)
	}

	r := call(t, c, "http://1-1-1-1.then.127-0-0-1.answers.test:8080/")
	if asked := p.requests(); r.Class != ports.ClassBlocked || asked != nil {
		t.Errorf("a name that was bound anew: class %q (%s), and the proxy was asked %q; want it blocked", r.Class, r.Error, asked)
	}
}

// What is allowed by name may resolve to anything, or to nothing here.
func TestProxyIsAskedForAllowedNames(t *testing.T) {
	t.Parallel()

	receiver := startReceiver(t, func(http.ResponseWriter, *http.Request) {})
	names := startNameServer(t)
	p := startProxy(t, map[string]string{"hooks.internal:80": receiver, "10.0.0.1:80": receiver, "any.internal:80": receiver})

	allowed, err := restycaller.ParseTargets([]string{"hooks.internal", "10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}

	c := openWith(t, restycaller.Options{Proxy: parseProxy(t, p.url()), Resolver: names.resolver(), Allow: allowed})
	free := openWith(t, restycaller.Options{Proxy: parseProxy(t, p.url()), Resolver: names.resolver(), AllowPrivate: true})

	for _, test := range []struct {
		c          ports.Caller
		url, asked string
	}{
		{c, "http://hooks.internal/", "CONNECT hooks.internal:80"},
		{c, "http://10-0-0-1.answers.test/", "CONNECT 10.0.0.1:80"},
		{free, "http://any.internal/", "CONNECT any.internal:80"},
	} {
		r := call(t, test.c, test.url)
		if asked := p.requests(); r.Class != ports.ClassOK || !slices.Equal(asked, []string{test.asked}) {
			t.Errorf("%s: class %q (%s), and the proxy was asked %q; want %q", test.url, r.Class, r.Error, asked, test.asked)
		}
	}

	if names.questions("hooks.internal") > 0 {
		t.Error("a name that the proxy is asked for was looked up here")
	}
}

// With a proxy the hostile targets are refused all the same, and the proxy hears nothing of them.
func TestHostileTargetsBeforeAProxy(t *testing.T) {
	t.Parallel()

	names, trap, door := startNameServer(t), startTrap(t), startTrap(t)
	c := restycaller.NewWatched(restycaller.Options{
		Proxy: parseProxy(t, "http://127.0.0.1:"+door.port()), Resolver: names.resolver(), ConnectTimeout: 5 * time.Second, MaxResponse: kept,
	}, onlyHere)
	t.Cleanup(func() { _ = c.Close() }) // always nil

	for _, target := range readHostile(t, trap.port()) {
		switch target.class {
		case "redirect":
			continue
		case "rebinding":
			if r := call(t, c, target.url); r.Class != ports.ClassProxy || door.caught(t) == 0 {
				t.Errorf("%s: the first answer is public, and the call has class %q (%s)", target.url, r.Class, r.Error)
			}
		}

		r := call(t, c, target.url)
		if here, there := trap.caught(t), door.caught(t); here+there > 0 || r.Class != ports.ClassBlocked && r.Class != ports.ClassInternal {
			t.Errorf("%s: %s: class %q (%s), %d connections, %d to the proxy", target.class, target.url, r.Class, r.Error, here, there)
		}
	}
}

// A proxy's own faults are not the receiver's.
func TestFaultsOfTheProxy(t *testing.T) {
	t.Parallel()

	names := startNameServer(t)
	untrusted := newProxy(t, nil)
	untrusted.server.StartTLS()

	secure := strings.Replace(untrusted.url(), "https://", "https://user:hunter2@", 1)

	for name, test := range map[string]struct{ proxy, says string }{
		"away":             {"http://user:hunter2@127.0.0.1:1", "could not be reached (127.0.0.1:1: connect: connection refused); see whether it is up"},
		"unknown":          {"http://user:hunter2@no..name:1", "could not be reached (no such host); see whether it is up"},
		"not trusted":      {secure, "is not trusted or speaks no TLS (tls: failed to verify certificate"},
		"no TLS":           {strings.Replace(startRaw(t, say("what?")), "http:", "https:", 1), "is not trusted or speaks no TLS"},
		"wants a password": {startRaw(t, say("HTTP/1.1 407 hunter2\r\n\r\n")), "wants a user and password, and was given none or others (407 Proxy Authentication Required); write them into --proxy"},
		"refuses":          {startRaw(t, say("HTTP/1.1 403 hunter2\r\n\r\n")), "did not connect to 1.1.1.1:80 (403 Forbidden); see its log"},
		"cannot":           {startRaw(t, say("HTTP/1.1 502 hunter2\r\n\r\n")), "did not connect to 1.1.1.1:80 (502 Bad Gateway); see its log"},
		"redirects":        {startRaw(t, say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n")), "did not connect to 1.1.1.1:80 (302 Found)"},
		"speaks garbage":   {startRaw(t, say("220 hunter2 ESMTP\r\n")), "gave no HTTP answer to CONNECT; see whether"},
		"closes":           {startRaw(t, func(net.Conn) {}), "gave no HTTP answer to CONNECT; see whether"},
		"speaks first":     {startRaw(t, say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), "gave no HTTP answer to CONNECT"},
		"endless head":     {startRaw(t, endless), "gave no HTTP answer to CONNECT; see whether"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c := openWith(t, restycaller.Options{Proxy: parseProxy(t, test.proxy), Resolver: names.resolver()})
			wantProxyFault(t, call(t, c, "http://1-1-1-1.answers.test/secret?token=hunter2"), test.proxy, test.says)
		})
	}
}

// endless sends a head without end, until the caller has gone.
func endless(conn net.Conn) {
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	for err == nil {
		_, err = io.WriteString(conn, "X: "+strings.Repeat("x", 1000)+"\r\n")
	}
}

func wantProxyFault(t *testing.T, r ports.Reply, proxy, says string) {
	t.Helper()

	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}

	want := "call to http://1-1-1-1.answers.test was not made: the proxy " + u.Scheme + "://" + u.Host + " " + says
	if r.Class != ports.ClassProxy || !strings.HasPrefix(r.Error, want) || strings.Contains(r.Error, "hunter2") || strings.Count(r.Error, "; ") == 0 {
		t.Errorf("class %q, error %q; want class proxy, and %q", r.Class, r.Error, want)
	}
}

// A proxy that hangs is at fault, whichever time is used up first.
func TestProxyThatHangs(t *testing.T) {
	t.Parallel()

	names := startNameServer(t)
	proxy := startRaw(t, say(""))

	for _, proxy := range []string{proxy, strings.Replace(proxy, "http:", "https:", 1)} {
		for name, test := range map[string]struct{ connect, timeout time.Duration }{
			"connect": {50 * time.Millisecond, time.Minute}, "attempt": {time.Minute, 50 * time.Millisecond},
		} {
			c := openWith(t, restycaller.Options{Proxy: parseProxy(t, proxy), Resolver: names.resolver(), ConnectTimeout: test.connect})
			r := c.Call(t.Context(), ports.Request{URL: "http://1-1-1-1.answers.test", Timeout: test.timeout})

			if wantProxyFault(t, r, proxy, "did not answer in time; see whether it is up"); r.Took > 30*time.Second {
				t.Errorf("%s: took %s, want 50 ms", name, r.Took)
			}
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	c := openWith(t, restycaller.Options{Proxy: parseProxy(t, proxy), Resolver: names.resolver()})
	if r := c.Call(ctx, ports.Request{URL: "http://1.1.1.1", Timeout: time.Minute}); r.Class != ports.ClassInternal {
		t.Errorf("a call that was stopped: class %q (%s), want internal", r.Class, r.Error)
	}
}

// A proxy that has no way to a receiver's addresses of one family is asked for the other, and for no more.
func TestProxyIsAskedForBothFamilies(t *testing.T) {
	t.Parallel()

	names := startNameServer(t)
	p := startProxy(t, map[string]string{"1.1.1.1:80": "127.0.0.1:1", "8.8.8.8:80": "127.0.0.1:1", "[2606:4700::1111]:80": startReceiver(t,
		func(http.ResponseWriter, *http.Request) {})})
	c := openWith(t, restycaller.Options{Proxy: parseProxy(t, p.url()), Resolver: names.resolver()})

	r := call(t, c, "http://1-1-1-1.8-8-8-8.2606-4700--1111.answers.test/")
	if asked := p.requests(); r.Class != ports.ClassOK || len(asked) != 2 || asked[1] != "CONNECT [2606:4700::1111]:80" {
		t.Errorf("class %q (%s), and the proxy was asked %q; want one address of each family", r.Class, r.Error, asked)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a server sees that its client has gone only once the body is read
	<-r.Context().Done()
}

// Beyond the tunnel faults are the receiver's, as they are without a proxy.
func TestFaultsBeyondTheTunnel(t *testing.T) {
	t.Parallel()

	trusted := newAuthority(t)
	own := trusted.sign(t, func(c *x509.Certificate) { c.DNSNames = []string{"1-1-1-1.answers.test"} })
	address := func(server string) string { return strings.TrimPrefix(server, "https://") }
	p := newProxy(t, map[string]string{
		"1.1.1.1:443": address(serveTLS(t, &tls.Config{Certificates: []tls.Certificate{own}})),
		"1.1.1.1:444": address(serveTLS(t, &tls.Config{Certificates: []tls.Certificate{newAuthority(t).sign(t, nil)}})),
		"1.1.1.1:445": address(serveTLS(t, &tls.Config{Certificates: []tls.Certificate{own}, MaxVersion: tls.VersionTLS11})),
		"1.1.1.1:80":  startReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }),
		"1.1.1.1:81":  startReceiver(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"1.1.1.1:82":  startReceiver(t, hang),
	})
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{trusted.sign(t, nil)}} // the proxy too is asked for its certificate
	p.server.StartTLS()

	c := openWith(t, restycaller.Options{Proxy: parseProxy(t, p.url()), Resolver: startNameServer(t).resolver(), RootCAs: trusted.pool()})

	for target, want := range map[string]ports.Class{
		"https://1-1-1-1.answers.test": ports.ClassOK, "https://1-1-1-1.answers.test:444": ports.ClassTLS, "https://1.1.1.1": ports.ClassTLS,
		"https://1-1-1-1.answers.test:445": ports.ClassTLS, "http://1-1-1-1.answers.test": ports.ClassStatus,
		"http://1-1-1-1.answers.test:81": ports.ClassReset, "http://1-1-1-1.answers.test:82": ports.ClassTimeout,
	} {
		r := c.Call(t.Context(), ports.Request{URL: target, Body: []byte("{}"), Timeout: 2 * time.Second})
		if r.Class != want || want == ports.ClassOK && string(r.Body) != "HTTP/2.0" {
			t.Errorf("%s: class %q (%s), body %q; want class %q", target, r.Class, r.Error, r.Body, want)
		}
	}
}

// A name that only the proxy knows is not found, and the error says what to do.
func TestNameThatOnlyTheProxyKnows(t *testing.T) {
	t.Parallel()

	p := startProxy(t, nil)
	c := openWith(t, restycaller.Options{Proxy: parseProxy(t, p.url())})

	r := call(t, c, "http://no..name")
	if asked := p.requests(); r.Class != ports.ClassDNS || !strings.Contains(r.Error, "--allow-target leaves the name to it") || asked != nil {
		t.Errorf("class %q (%s), and the proxy was asked %q; want it not found, and why", r.Class, r.Error, asked)
	}
}
