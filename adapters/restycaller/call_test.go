package restycaller_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

const kept = 16 << 10 // the default of MaxResponse

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()

	for _, o := range []restycaller.Options{{ConnectTimeout: -1}, {MaxResponse: -1}} {
		if c, err := restycaller.New(o); err == nil || c != nil {
			t.Errorf("New(%+v) = %v, %v; want it refused", o, c, err)
		}
	}
}

func TestTruncationIsExact(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int

		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)

		if r.URL.RawQuery == "chunked" {
			_ = http.NewResponseController(w).Flush()
		}

		_, _ = io.WriteString(w, strings.Repeat("x", n))
	}))
	t.Cleanup(server.Close)

	c := open(t)

	for _, how := range []string{"", "?chunked"} {
		for n, truncated := range map[int]bool{0: false, kept - 1: false, kept: false, kept + 1: true, 2 * kept: true} {
			r := c.Call(t.Context(), ports.Request{URL: fmt.Sprintf("%s/%d%s", server.URL, n, how), Timeout: time.Minute})
			if r.Class != ports.ClassOK || len(r.Body) != min(n, kept) || r.Truncated != truncated {
				t.Errorf("of %d bytes %s: kept %d, truncated %t, %q; want %d, %t",
					n, how, len(r.Body), r.Truncated, r.Error, min(n, kept), truncated)
			}
		}
	}
}

// A receiver that holds the rest of its body back holds nobody up: what is kept has come.
func TestRestOfABodyIsNotWaitedFor(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", kept))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)

	r := open(t).Call(t.Context(), ports.Request{URL: server.URL, Timeout: time.Minute})
	if r.Class != ports.ClassOK || len(r.Body) != kept || !r.Truncated || r.Took > 30*time.Second {
		t.Errorf("class %q, %d bytes, truncated %t after %s; want the first part, and soon", r.Class, len(r.Body), r.Truncated, r.Took)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()

	var connections atomic.Int64

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 2*kept))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	c := open(t)

	for range 20 {
		if r := c.Call(t.Context(), ports.Request{URL: server.URL, Body: []byte("{}"), Timeout: time.Minute}); r.Class != ports.ClassOK {
			t.Fatalf("class %q: %s", r.Class, r.Error)
		}
	}

	if n := connections.Load(); n != 1 {
		t.Errorf("20 calls with answers over the limit took %d connections, want 1", n)
	}
}

// Go's transport sends a POST again by itself when a used connection breaks and a header says that the request is idempotent.
// An attempt that the log does not know of would break the count of attempts.
func TestOneAttemptWhateverTheHeaders(t *testing.T) {
	t.Parallel()

	for _, header := range []string{"Webhook-Id", "Idempotency-Key", "X-Idempotency-Key"} {
		var requests atomic.Int64

		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)

			if requests.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
		}))
		t.Cleanup(server.Close)

		c := open(t)
		r := ports.Request{URL: server.URL, Header: map[string]string{header: "1"}, Body: []byte("{}"), Timeout: time.Minute}

		if first := c.Call(t.Context(), r); first.Class != ports.ClassOK {
			t.Errorf("first call: class %q, %s", first.Class, first.Error)
		}

		if second := c.Call(t.Context(), r); second.Class != ports.ClassReset {
			t.Errorf("second call: class %q, %s; want reset", second.Class, second.Error)
		}

		if n := requests.Load(); n != 2 {
			t.Errorf("header %s: 2 calls made %d requests", header, n)
		}
	}
}

func TestHeadersOfEndlessSize(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 1<<20))
	}))
	t.Cleanup(server.Close)

	r := open(t).Call(t.Context(), ports.Request{URL: server.URL, Timeout: time.Minute})
	if r.Class != ports.ClassReset || !strings.Contains(r.Error, "server response headers exceeded 65536 bytes") {
		t.Errorf("class %q, error %q; want the headers refused at 64 KiB", r.Class, r.Error)
	}
}

// A compressed answer is kept as it was sent: a small one cannot swell to fill the memory.
func TestNothingIsUnpacked(t *testing.T) {
	t.Parallel()

	var packed bytes.Buffer

	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 10<<20)) // a buffer takes all

	if err := z.Close(); err != nil {
		t.Fatal(err)
	}

	for _, header := range []map[string]string{nil, {"Accept-Encoding": "gzip"}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != header["Accept-Encoding"] {
				t.Errorf("came with Accept-Encoding %q, want %q", got, header["Accept-Encoding"])
			}

			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		}))
		t.Cleanup(server.Close)

		r := open(t).Call(t.Context(), ports.Request{URL: server.URL, Header: header, Timeout: time.Minute})
		if r.Class != ports.ClassOK || !bytes.Equal(r.Body, packed.Bytes()) || r.Truncated {
			t.Errorf("class %q, %d bytes, truncated %t; want the %d bytes that were sent", r.Class, len(r.Body), r.Truncated, packed.Len())
		}
	}
}

// Of the connections that a burst to one host has made, no more than the window of calls are kept.
func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()

	const burst, idle = 1044, 1024

	closed := make(chan struct{}, burst)
	arrived := make(chan struct{}, burst)
	answer := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}

		<-answer
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	var calls sync.WaitGroup

	c := open(t)

	for range burst {
		calls.Go(func() {
			if r := c.Call(t.Context(), ports.Request{URL: server.URL, Timeout: time.Minute}); r.Class != ports.ClassOK {
				t.Errorf("class %q: %s", r.Class, r.Error)
			}
		})
	}

	for range burst {
		<-arrived
	}

	close(answer)
	calls.Wait()

	for range burst - idle { // those beyond the bound are closed at once; the others would stay for a minute
		<-closed
	}
}
