package harness_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

// payload is as large as a call of the seed route.
var payload = `{"data":"` + strings.Repeat("x", 398) + `"}`

// BenchmarkReceiver and BenchmarkBare together say what a receiver costs; it should stay within 1.3 of the bare handler.
func BenchmarkReceiver(b *testing.B) {
	r := start(b, harness.Options{Secret: secret})
	hammer(b, r.URL())
	if a := r.Account(); a.Verified != b.N {
		b.Errorf("%v", a)
	}
}

func BenchmarkBare(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(server.Close)
	hammer(b, server.URL)
}

func hammer(b *testing.B, url string) {
	b.Helper()
	client := newClient(b)
	signed := request(b, url, "msg_1", payload, time.Now())
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(payload))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header = signed.Header
			do(b, client, req)
		}
	})
}
