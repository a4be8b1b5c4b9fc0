package restycaller_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

func TestGuardRefusesOnTheWire(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the server was reached")
	}))
	t.Cleanup(server.Close)

	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	c := openWith(t, restycaller.Options{})

	// localhost stands for every name that resolves to what is refused, at whatever moment.
	for _, host := range []string{"127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"} {
		r := c.Call(t.Context(), ports.Request{URL: "http://" + host + port + "/path?token=1", Timeout: time.Minute})
		if r.Class != ports.ClassBlocked || !strings.Contains(r.Error, "--allow-target") || !strings.Contains(r.Error, "--dev") {
			t.Errorf("%s: class %q, error %q; want blocked, with the way out", host, r.Class, r.Error)
		}
	}

	r := c.Call(t.Context(), ports.Request{URL: server.URL, Timeout: time.Minute})

	want := "call to " + server.URL + " refused: 127.0.0.1" + port + " is a loopback, private or otherwise special address; " +
		"allow it with --allow-target 127.0.0.1" + port + ", or everything with --dev"
	if r.Error != want {
		t.Errorf("error %q, want %q", r.Error, want)
	}
}

func TestTargetsPassTheGuard(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)

	port := server.URL[strings.LastIndexByte(server.URL, ':'):]

	for _, test := range []struct {
		allow, host string
		class       ports.Class
	}{
		{"127.0.0.0/8", "127.0.0.1", ports.ClassOK},
		{"127.0.0.0/8", "localhost", ports.ClassOK},
		{"127.0.0.1", "127.0.0.1", ports.ClassOK},
		{"127.0.0.1" + port, "127.0.0.1", ports.ClassOK},
		{"127.0.0.1" + port, "localhost", ports.ClassOK},
		{"127.0.0.1:1", "127.0.0.1", ports.ClassBlocked},
		{"127.0.0.2", "127.0.0.1", ports.ClassBlocked},
		{"10.0.0.0/8", "127.0.0.1", ports.ClassBlocked},
		{"localhost", "localhost", ports.ClassOK},
		{"LOCALHOST.", "LocalHost", ports.ClassOK},
		{"localhost" + port, "localhost", ports.ClassOK},
		{"localhost:1", "localhost", ports.ClassBlocked},
		{"localhost", "127.0.0.1", ports.ClassBlocked},
		{"ocalhost", "localhost", ports.ClassBlocked},
	} {
		targets, err := restycaller.ParseTargets([]string{"192.168.9.9", test.allow})
		if err != nil {
			t.Fatal(err)
		}

		c := openWith(t, restycaller.Options{Allow: targets})
		if r := c.Call(t.Context(), ports.Request{URL: "http://" + test.host + port, Timeout: time.Minute}); r.Class != test.class {
			t.Errorf("allowed %s, called %s: class %q (%s), want %q", test.allow, test.host, r.Class, r.Error, test.class)
		}
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	t.Parallel()

	for value, reason := range map[string]string{
		"":                     "a host name has 1 to 253 characters",
		"http://10.0.0.1":      "it is a URL",
		"10.0.0.1/8":           "it has bits beyond its length, 10.0.0.0/8 has not",
		"10.0.0.0/8:80":        "it has a slash and is not a network",
		"10.0.0.0/33":          "it has a slash and is not a network",
		"::ffff:10.0.0.0/104":  "it is IPv4 written as IPv6, which is never dialled",
		"10.0.0.300":           "it looks like an address, and is none",
		"10.0.0.1:0":           "its port is not a number from 1 to 65535, or its brackets do not fit",
		"hooks:99999":          "its port is not a number from 1 to 65535, or its brackets do not fit",
		"hooks:":               "its port is not a number from 1 to 65535, or its brackets do not fit",
		"fe80::1%eth0":         "it names a zone, and those are not compared",
		"*.internal":           "it is neither an address nor a host name",
		"käse.internal":        "it is neither an address nor a host name",
		"a..b":                 "it is neither an address nor a host name",
		"user@hooks.internal":  "it is neither an address nor a host name",
		"hooks.internal, more": "it is neither an address nor a host name",
	} {
		_, err := restycaller.ParseTargets([]string{"10.0.0.1", value})
		if err == nil || !strings.Contains(err.Error(), " refused: "+reason+"; write a network") {
			t.Errorf("ParseTargets(%q) = %v, want the reason %q", value, err, reason)
		}
	}
}

func TestParseTargetsTakes(t *testing.T) {
	t.Parallel()

	values := []string{
		"10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "10.1.2.3", "::1", "10.1.2.3:8080", "[::1]:8080", "::ffff:10.0.0.1",
		"localhost", "Hooks.Internal.", "hooks_1.internal:8443", "xn--kse-qla.example",
	}
	if _, err := restycaller.ParseTargets(values); err != nil {
		t.Error(err)
	}
}
