package restycaller_test

import (
	"strings"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

func parseProxy(t *testing.T, value string) restycaller.Proxy {
	t.Helper()

	p, err := restycaller.ParseProxy(value)
	if err != nil {
		t.Fatal(err)
	}

	return p
}

func TestParseProxyRefuses(t *testing.T) {
	t.Parallel()

	for value, reason := range map[string]string{
		"socks5://user:hunter2@proxy:1080": `"socks5" is not http or https, and no other proxies are spoken to`,
		"http://user:hunter2@":             "it is no URL with a host",
		"http://user:hunter2@proxy:port":   "it is no URL with a host",
		"http://user:hunter2%zz@proxy":     "it is no URL with a host",
		"://":                              "it is no URL with a host",
	} {
		_, err := restycaller.ParseProxy(value)

		want := "proxy of --proxy refused: " + reason + "; give it as http://user:password@proxy.internal:3128"
		if err == nil || err.Error() != want {
			t.Errorf("ParseProxy(%q) = %v, want %q", value, err, want)
		}
	}
}

func TestParseProxyTakes(t *testing.T) {
	t.Parallel()

	for _, value := range []string{
		"", "proxy", "proxy.internal:3128", "http://proxy/", "https://proxy:8443", "http://user:password@[::1]:3128", "user:password@proxy:3128",
	} {
		if _, err := restycaller.ParseProxy(value); err != nil {
			t.Errorf("ParseProxy(%q) = %v", value, err)
		}
	}
}

// The environment says which calls go through a proxy, unless the setting does; NO_PROXY names exceptions from both.
func TestProxyOfTheEnvironment(t *testing.T) {
	proxy := startProxy(t, nil)
	names := startNameServer(t)

	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
		t.Setenv(name, "")
	}

	// Nothing is beyond the proxy: that it was asked shows by its refusal. A direct call ends before it leaves the machine.
	through := func(t *testing.T, setting, url string) bool {
		t.Helper()

		c := restycaller.NewWatched(restycaller.Options{
			Proxy: parseProxy(t, setting), Resolver: names.resolver(), ConnectTimeout: time.Minute, MaxResponse: kept,
		}, onlyHere)
		defer func() { _ = c.Close() }()

		return call(t, c, url).Class == ports.ClassProxy
	}

	for _, test := range []struct {
		http, https, no, setting, url string
		want                          bool
	}{
		{"", "", "", "", "http://1-1-1-1.answers.test", false},
		{proxy.url(), "", "", "", "http://1-1-1-1.answers.test", true},
		{proxy.url(), "", "", "", "https://1-1-1-1.answers.test", false},
		{"", proxy.url(), "", "", "https://1-1-1-1.answers.test", true},
		{"", proxy.url(), "", "", "http://1-1-1-1.answers.test", false},
		{"", "", "", proxy.url(), "http://1-1-1-1.answers.test", true},
		{"", "", "", proxy.url(), "https://1-1-1-1.answers.test", true},
		{"", "", "", strings.TrimPrefix(proxy.url(), "http://"), "https://1-1-1-1.answers.test", true},
		{"http://127.0.0.1:1", "", "", proxy.url(), "http://1-1-1-1.answers.test", true},
		{"", "", "answers.test", proxy.url(), "http://1-1-1-1.answers.test", false},
		{"", "", "1.1.1.0/24", proxy.url(), "http://1.1.1.1", false},
		{"", "", "example.org", proxy.url(), "http://1.1.1.1", true},
		{proxy.url(), "", "*", "", "http://1-1-1-1.answers.test", false},
	} {
		t.Setenv("HTTP_PROXY", test.http)
		t.Setenv("HTTPS_PROXY", test.https)
		t.Setenv("NO_PROXY", test.no)

		if got := through(t, test.setting, test.url); got != test.want {
			t.Errorf("%+v: through the proxy %t", test, got)
		}
	}

	t.Setenv("HTTP_PROXY", "")
	t.Setenv("HTTPS_PROXY", "socks5://user:hunter2@proxy")

	if _, err := restycaller.ParseProxy(""); err == nil || !strings.HasPrefix(err.Error(), `proxy of HTTPS_PROXY refused: "socks5" is not`) {
		t.Errorf("a proxy that is not spoken to: %v, want it refused", err)
	}

	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("HTTP_PROXY", proxy.url())
	t.Setenv("REQUEST_METHOD", "GET") // a web server started us, and HTTP_PROXY may be a visitor's header

	if !through(t, "", "http://1-1-1-1.answers.test") {
		t.Error("in a CGI program HTTP_PROXY was neither used nor refused")
	}
}
