package harness_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/harness"
)

// payload is as large as a call of the seed route.
var payload = `{"data":"` + strings.Repeat("x", 398) + `"}`

// BenchmarkReceiver says what a receiver costs beside a bare handler: it verifies a signature, records and answers 204, and is to stay
// within 1.3 times the bare one. The two take turns in one run, and get prepared requests over raw connections, so that a client
// does not hide the difference.
func BenchmarkReceiver(b *testing.B) {
	r := start(b, harness.Options{Secret: secret})
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(bare.Close)
	own, other := newGun(b, r.URL()), newGun(b, bare.URL)
	const turn = 1000
	var took [2]time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; left -= turn {
		n := min(left, turn)
		took[0] += own.fire(n)
		took[1] += other.fire(n)
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op") // it would be that of both
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "receiver/s")
	b.ReportMetric(float64(b.N)/took[1].Seconds(), "bare/s")
	b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "x-bare")
	if a := r.Account(); a.Verified != b.N {
		b.Errorf("%v", a)
	}
}

// A gun fires the same request over a few connections at once.
type gun struct {
	request []byte
	conns   []net.Conn
	tb      testing.TB
}

func newGun(tb testing.TB, target string) *gun {
	tb.Helper()
	at, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	g := &gun{tb: tb}
	var text bytes.Buffer
	if err := request(tb, target, "msg_1", payload, time.Now()).Write(&text); err != nil {
		tb.Fatal(err)
	}
	g.request = text.Bytes()
	for range 8 {
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = conn.Close() })
		g.conns = append(g.conns, conn)
	}
	return g
}

// fire sends n requests, the next on a connection when the last has been answered, and returns how long it took.
func (g *gun) fire(n int) time.Duration {
	began := time.Now()
	var firing sync.WaitGroup
	for i, conn := range g.conns {
		share := (n + i) / len(g.conns)
		firing.Go(func() {
			if err := shoot(conn, g.request, share); err != nil {
				g.tb.Error(err)
			}
		})
	}
	firing.Wait()
	return time.Since(began)
}

func shoot(conn net.Conn, request []byte, n int) error {
	in := bufio.NewReader(conn)
	for range n {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		status, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(status, "HTTP/1.1 204") {
			return fmt.Errorf("answered %q, %w", status, err)
		}
		for line := status; line != "\r\n"; { // a 204 has no body
			if line, err = in.ReadString('\n'); err != nil {
				return err
			}
		}
	}
	return nil
}

// BenchmarkClient is a delivery by an ordinary client, for comparison.
func BenchmarkClient(b *testing.B) {
	r := start(b, harness.Options{Secret: secret})
	client := newClient(b)
	signed := request(b, r.URL(), "msg_1", payload, time.Now())
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, r.URL(), strings.NewReader(payload))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header = signed.Header
			do(b, client, req)
		}
	})
}
