package restycaller_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A proxy answers CONNECT, and leads to servers of the test whatever address it is asked for.
type proxy struct {
	server *httptest.Server
	routes map[string]string // what it is asked for, and where that is; without one the answer is 403

	mu       sync.Mutex
	asked    []string
	password string // the last one

	tunnels sync.WaitGroup // a server does not wait for what was hijacked
}

func startProxy(t *testing.T, routes map[string]string) *proxy {
	t.Helper()

	p := newProxy(t, routes)
	p.server.Start()

	return p
}

func newProxy(t *testing.T, routes map[string]string) *proxy {
	t.Helper()

	p := &proxy{routes: routes}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes
	p.server.Config.BaseContext = func(net.Listener) context.Context { return t.Context() }
	t.Cleanup(func() {
		p.server.Close()
		p.tunnels.Wait() // each ends with t's context
	})

	return p
}

func (p *proxy) url() string { return p.server.URL }

// requests is what the proxy was asked for since it was asked last.
func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()

	asked := p.asked
	p.asked = nil

	return asked
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.tunnels.Add(1)
	defer p.tunnels.Done()

	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.password = r.Header.Get("Proxy-Authorization")
	p.mu.Unlock()

	route, ok := p.routes[r.RequestURI]
	if !ok {
		w.WriteHeader(http.StatusForbidden)

		return
	}

	far, err := new(net.Dialer).DialContext(r.Context(), "tcp", route)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)

		return
	}

	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()

		return
	}

	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")

	end := context.AfterFunc(r.Context(), func() { _ = near.Close(); _ = far.Close() }) // with the test, or with this handler
	defer end()

	var ways sync.WaitGroup

	ways.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
	ways.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	ways.Wait()
}

// A raw is a proxy that behaves as answer does, once the request's head has come.
func startRaw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	var serving sync.WaitGroup

	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			serving.Go(func() {
				defer func() { _ = conn.Close() }()

				head := make([]byte, 4096)
				if n, _ := conn.Read(head); n > 0 {
					answer(conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // the callers close the connections
		serving.Wait()
	})

	return "http://user:hunter2@" + listener.Addr().String()
}

// say answers and waits for the caller to go.
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}
