package harness_test

import (
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"posthorn/harness"
)

// nowhere takes an answer.
type nowhere struct{}

func (nowhere) Header() http.Header           { return http.Header{} }
func (nowhere) Write(p []byte) (int, error)   { return len(p), nil }
func (nowhere) WriteHeader(int)               {}
func heap() (m runtime.MemStats)              { runtime.GC(); runtime.ReadMemStats(&m); return m }
func number(prefix string, i int) (id string) { return prefix + strconv.Itoa(i) }

// TestMillion: a million deliveries of a million messages, without sockets, are all accounted for in bounded memory. It runs alone, for
// it looks at the heap of the whole process.
func TestMillion(t *testing.T) { //nolint:paralleltest // as the comment says
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	before := heap()
	r := start(t, harness.Options{DropBodies: true})
	var sending sync.WaitGroup
	for worker := range 2 {
		sending.Go(func() {
			body := strings.NewReader(`{"n":1}`)
			req := &http.Request{
				Method: http.MethodPost, URL: &url.URL{Path: "/hook"}, Body: io.NopCloser(body), ContentLength: body.Size(),
			}
			for i := worker; i < n; i += 2 {
				body.Reset(`{"n":1}`)
				req.Header = http.Header{"Webhook-Id": {number("msg_", i)}}
				r.ServeHTTP(nowhere{}, req)
			}
		})
	}
	sending.Wait()
	each := float64(heap().HeapAlloc-before.HeapAlloc) / float64(n)
	t.Logf("%.1f bytes a delivery", each)
	if each > 100 {
		t.Errorf("%.1f bytes a delivery, want at most 100", each)
	}
	ids := make([]string, 0, n+1)
	for i := range n + 1 {
		ids = append(ids, number("msg_", i))
	}
	a := r.Account(ids...)
	if a.Deliveries != n || a.Unique != n || a.Duplicates+a.Retries+a.Unexpected != 0 || len(a.Lost) != 1 || a.Lost[0] != number("msg_", n) {
		t.Errorf("%v", a)
	}
}
