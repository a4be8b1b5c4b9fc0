package restycaller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"posthorn/ports"
)

// Which addresses are refused is asked of the dialler's hook itself: most of them cannot be dialled from a test.
func TestGuardedAddresses(t *testing.T) {
	t.Parallel()

	g := newGuard(Options{})

	for address, free := range map[string]bool{
		"1.1.1.1:443": true, "8.8.8.8:8080": true, "[2606:4700::1111]:443": true, "93.184.216.34:1": true,
		"127.0.0.1:80": false, "10.0.0.1:80": false, "172.16.0.1:80": false, "172.31.255.255:80": false, "192.168.0.1:80": false,
		"169.254.169.254:80": false, "100.64.0.1:80": false, "100.100.100.200:80": false, "192.0.0.192:80": false,
		"168.63.129.16:80": false, "0.0.0.0:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false,
		"192.0.2.1:80": false, "240.0.0.1:80": false,
		"[::1]:80": false, "[::]:80": false, "[fe80::1]:80": false, "[fe80::1%eth0]:80": false, "[fc00::1]:80": false,
		"[fd00:ec2::254]:80": false, "[ff02::1]:80": false, "[2001:db8::1]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false, "[::7f00:1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[64:ff9b:1::1]:80": false, "[2002:7f00:1::]:80": false, "[2001::1]:80": false,
		"not an address": false,
	} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}

		err := g.control(network, address, nil)
		if (err == nil) != free {
			t.Errorf("control(%s) = %v, want it free: %t", address, err, free)
		}

		if err != nil && !isA[*blockedError](fmt.Errorf("dial: %w", err)) {
			t.Errorf("control(%s) = %T, want a *blockedError", address, err)
		}
	}
}

// A target given as IPv4 serves however the address is written, and one of IPv6 in whatever zone.
func TestTargetsCompareUnmapped(t *testing.T) {
	t.Parallel()

	targets, err := ParseTargets([]string{"10.0.0.1", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}

	for address, allowed := range map[string]bool{
		"10.0.0.1:1": true, "[::ffff:10.0.0.1]:1": true, "10.0.0.2:1": false, "[fd12::1]:1": true, "[fd12::1%eth0]:1": true, "[fe00::1]:1": false,
	} {
		if got := targets.allowsAddress(netip.MustParseAddrPort(address)); got != allowed {
			t.Errorf("allowsAddress(%s) = %t, want %t", address, got, allowed)
		}
	}
}

// Failures that no test can bring about on a healthy machine.
func TestClassifyRareErrors(t *testing.T) {
	t.Parallel()

	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: err}
	}
	read := func(err error) error {
		return &net.OpError{Op: "read", Source: &net.TCPAddr{IP: net.IPv4(10, 9, 8, 7), Port: 5}, Err: err}
	}

	for _, test := range []struct {
		err   error
		class ports.Class
		text  string
	}{
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), ports.ClassConnect, "192.0.2.1:443: connect: no route to host"},
		{dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), ports.ClassConnect, "192.0.2.1:443: connect: network is unreachable"},
		{dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), ports.ClassTimeout, "192.0.2.1:443: connect: connection timed out"},
		{dial(os.NewSyscallError("socket", syscall.EMFILE)), ports.ClassInternal, "192.0.2.1:443: socket: too many open files"},
		{dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), ports.ClassInternal, "cannot assign requested address"},
		{dial(&net.DNSError{Err: "no such host", Name: "h", Server: "10.9.8.7:53"}), ports.ClassDNS, "(no such host)"},
		{dial(&net.DNSError{Err: "i/o timeout", Name: "h", Server: "10.9.8.7:53", IsTimeout: true}), ports.ClassTimeout, "(i/o timeout)"},
		{read(os.NewSyscallError("read", syscall.ECONNRESET)), ports.ClassReset, "(read: read: connection reset by peer)"},
		{os.NewSyscallError("write", syscall.EPIPE), ports.ClassReset, "broken pipe"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, ports.ClassTLS, "tls: bad certificate"},
		{errors.New("tls: server chose an unconfigured cipher suite"), ports.ClassTLS, "cipher suite"},
		{errors.New("http2: server sent GOAWAY and closed the connection"), ports.ClassReset, "GOAWAY"},
	} {
		c := call{ctx: t.Context(), parent: t.Context(), origin: "https://h"}

		r := c.failed(&url.Error{Op: "Post", URL: "https://h/hunter2", Err: test.err})
		if r.Class != test.class || !strings.Contains(r.Error, test.text) || strings.Contains(r.Error, "10.9.8.7") ||
			strings.Contains(r.Error, "hunter2") {
			t.Errorf("%v: class %q, error %q; want class %q, and to read %q", test.err, r.Class, r.Error, test.class, test.text)
		}
	}
}

func TestAStoppedCallIsOurs(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("shutting down"))

	c := call{ctx: ctx, parent: ctx, origin: "https://h"}
	if r := c.failed(context.Canceled); r.Class != ports.ClassInternal || !strings.Contains(r.Error, "stopped: shutting down") {
		t.Errorf("class %q, error %q; want internal, with the cause", r.Class, r.Error)
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"plain":                        "plain",
		"a\nb\tc\x1b[31m\x00":          `a\u000ab\u0009c\u001b[31m\u0000`,
		"right\u202eto left":           `right\u202eto left`,
		"not UTF-8: \xff\xfe":          `not UTF-8: \xff\xfe`,
		"\uFFFD stays, as does é":      "\uFFFD stays, as does é",
		strings.Repeat("é", 300):       strings.Repeat("é", 256),
		"x" + strings.Repeat("é", 300): "x" + strings.Repeat("é", 255),
	} {
		if got := oneLine(text); got != want || !utf8.ValidString(got) {
			t.Errorf("oneLine(%q) = %q, want %q", text, got, want)
		}
	}
}

// A header's name is letters, digits and fifteen marks, and nothing else of what a byte or a character can be.
func TestTokens(t *testing.T) {
	t.Parallel()

	const marks = "!#$%&'*+-.^_`|~"

	for r := range rune(0x300) {
		want := '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune(marks, r)
		if got := isToken("x" + string(r)); got != want {
			t.Errorf("isToken with %q = %t, want %t", r, got, want)
		}
	}

	for _, name := range []string{"", "\xff", "a\xc3", "\uFFFD"} {
		if isToken(name) {
			t.Errorf("isToken(%q) = true", name)
		}
	}
}
