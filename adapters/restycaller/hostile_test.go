package restycaller_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A trap counts the connections to a port, on every address of this machine.
type trap struct {
	listener net.Listener
	accepted chan struct{} // one of each connection
}

func startTrap(tb testing.TB) *trap {
	tb.Helper()

	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", ":0")
	if err != nil {
		tb.Fatal(err)
	}

	p := &trap{listener: listener, accepted: make(chan struct{}, 1<<16)}

	var accepting sync.WaitGroup

	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			p.accepted <- struct{}{}

			_ = conn.Close() // it is only counted
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close() // ends the accepting
		accepting.Wait()
	})

	return p
}

func (p *trap) port() string {
	_, port, _ := net.SplitHostPort(p.listener.Addr().String())

	return port
}

// caught is how many connections were made since it was asked last. Connections are accepted in the order in which they were made: once
// one of our own has come, all before it have.
func (p *trap) caught(tb testing.TB) int {
	tb.Helper()

	own, err := new(net.Dialer).DialContext(tb.Context(), "tcp", "127.0.0.1:"+p.port())
	if err != nil {
		tb.Fatal(err)
	}

	defer func() { _ = own.Close() }()

	_, _ = own.Read(make([]byte, 1)) // its end: it is counted

	n := len(p.accepted)
	for range n {
		<-p.accepted
	}

	return n - 1
}

// A hostile is a line of testdata/egress/hostile.txt.
type hostile struct{ class, url string }

func readHostile(tb testing.TB, port string) (all []hostile) {
	tb.Helper()

	text, err := os.ReadFile("../../testdata/egress/hostile.txt")
	if err != nil {
		tb.Fatal(err)
	}

	class := ""

	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")

		switch name, begins := strings.CutPrefix(line, "## "); {
		case begins:
			class = name
		case line != "" && line[0] != '#':
			all = append(all, hostile{class, strings.ReplaceAll(line, "{port}", port)})
		}
	}

	return all
}

var errElsewhere = errors.New("no test leaves this machine")

// onlyHere lets a connection be made that the trap would see, and no other.
func onlyHere(address string) error {
	if a := netip.MustParseAddrPort(address).Addr(); !a.IsLoopback() && !a.IsUnspecified() {
		return errElsewhere
	}

	return nil
}

// Every target of the list is refused, when it is registered or when it is called, and no connection is made.
func TestHostileTargets(t *testing.T) {
	t.Parallel()

	names, trap := startNameServer(t), startTrap(t)
	targets := readHostile(t, trap.port())
	c := restycaller.NewWatched(restycaller.Options{
		Resolver: names.resolver(), ConnectTimeout: 5 * time.Second, MaxResponse: kept,
	}, onlyHere)
	t.Cleanup(func() { _ = c.Close() }) // always nil

	if len(targets) < 60 {
		t.Fatalf("the list has %d targets, want 60 at least", len(targets))
	}

	for _, target := range targets {
		switch target.class {
		case "redirect": // TestRedirectsToPrivateTargets
			continue
		case "rebinding":
			if r := call(t, c, target.url); r.Class != ports.ClassReset && r.Class != ports.ClassConnect {
				t.Errorf("%s: the first answer is public, and the call has class %q (%s)", target.url, r.Class, r.Error)
			}
		}

		r := call(t, c, target.url)
		if n := trap.caught(t); n > 0 {
			t.Errorf("%s: %s: %d connections were made", target.class, target.url, n)
		}

		registered := registers(target.url)
		blocked := r.Class == ports.ClassBlocked && strings.Contains(r.Error, "--allow-target")

		if !blocked && (registered || r.Class != ports.ClassInternal) {
			t.Errorf("%s: %s: registered %t, and the call has class %q (%s); want it refused", target.class, target.url, registered, r.Class, r.Error)
		}
	}

	for _, name := range []string{"127-0-0-1.answers.test", "1-1-1-1.127-0-0-1.answers.test", "metadata.google.internal"} {
		if names.questions(name) == 0 {
			t.Errorf("the resolver was not asked for %s", name)
		}
	}
}

// The trap catches: each way to call this machine, once it is allowed, is counted.
func TestTheTrapCatches(t *testing.T) {
	t.Parallel()

	names, trap := startNameServer(t), startTrap(t)
	c := openWith(t, restycaller.Options{AllowPrivate: true, Resolver: names.resolver()})

	for _, host := range []string{"127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127-0-0-1.answers.test", "any.name.test"} {
		r := call(t, c, "http://"+host+":"+trap.port())
		if n := trap.caught(t); n == 0 {
			t.Errorf("%s: the call (class %q, %s) was not counted", host, r.Class, r.Error)
		}
	}
}

// A receiver that may be called leads nowhere else.
func TestRedirectsToPrivateTargets(t *testing.T) {
	t.Parallel()

	names, trap := startNameServer(t), startTrap(t)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)

	allowed, err := restycaller.ParseTargets([]string{strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}

	c := openWith(t, restycaller.Options{Resolver: names.resolver(), Allow: allowed})
	tried := 0

	for _, target := range readHostile(t, trap.port()) {
		if target.class != "redirect" {
			continue
		}

		for _, status := range []string{"301", "302", "303", "307", "308"} {
			r := call(t, c, server.URL+"?status="+status+"&to="+target.url)
			if n := trap.caught(t); n > 0 || r.Class != ports.ClassRedirect || r.Location != target.url {
				t.Errorf("%s to %s: class %q (%s), %d connections; want a redirect and none", status, target.url, r.Class, r.Error, n)
			}

			tried++
		}
	}

	if tried == 0 {
		t.Error("the list has no redirects")
	}
}

// The property: whatever the URL, no connection is made to this machine, and the guard lets nothing pass that is not public.
func FuzzTarget(f *testing.F) {
	names, trap := startNameServer(f), startTrap(f)

	for _, target := range readHostile(f, trap.port()) {
		f.Add(target.url)
	}

	c := restycaller.NewWatched(restycaller.Options{
		Resolver: names.resolver(), ConnectTimeout: 5 * time.Second, MaxResponse: kept,
	}, func(address string) error {
		if !public(address) {
			panic("the guard lets " + address + " pass")
		}

		return onlyHere(address)
	})
	f.Cleanup(func() { _ = c.Close() }) // always nil

	f.Fuzz(func(t *testing.T, url string) {
		r := call(t, c, url)
		if n := trap.caught(t); n > 0 || r.Class == ports.ClassOK {
			t.Errorf("%q: class %q (%s), %d connections were made", url, r.Class, r.Error, n)
		}
	})
}

// public is a judge of its own, coarser than the guard.
func public(address string) bool {
	addr := netip.MustParseAddrPort(address).Addr()
	if addr.Is6() {
		return netip.MustParsePrefix("2000::/3").Contains(addr) && !netip.MustParsePrefix("2002::/16").Contains(addr) &&
			!netip.MustParsePrefix("2001::/23").Contains(addr)
	}

	shared := netip.MustParsePrefix("100.64.0.0/10")

	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !shared.Contains(addr) && addr.As4()[0] != 0 && addr.As4()[0] < 224
}

func call(tb testing.TB, c ports.Caller, url string) ports.Reply {
	tb.Helper()

	return c.Call(tb.Context(), ports.Request{URL: url, Body: []byte("{}"), Timeout: time.Minute})
}

func registers(url string) bool {
	_, err := core.NewWebhook{Company: "42", URL: url, EventTypes: []string{"*"}}.Check(core.DefaultPolicy())

	return err == nil
}
