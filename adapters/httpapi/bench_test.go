package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"posthorn/adapters/httpapi"
	"posthorn/engine"
)

// An instant engine takes every candidate at once: what is left is the handler's own cost.
type instant struct{ httpapi.Engine }

func (instant) CreateCandidate(context.Context, engine.NewCandidate) (engine.Candidate, error) {
	return engine.Candidate{ID: "cand_01JD0000000000000000000000"}, nil
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Flush()                      {}

func BenchmarkSeedCandidate(b *testing.B) {
	h := serve(instant{})
	in := newRequest(post("", "/candidates", ""), nil)
	body := strings.NewReader(ada)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(ada)
		in.Body = readCloser{body}
		h.ServeHTTP(discard{http.Header{}}, in)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkHandler(b *testing.B) {
	for b.Loop() {
		serve(instant{})
	}
}
