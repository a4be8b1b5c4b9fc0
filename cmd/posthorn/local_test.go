package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	const none = ""
	cases := []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1:8080", none, 200},
		{"127.8.7.6", none, 200},
		{"localhost:8080", none, 200},
		{"LocalHost", none, 200},
		{"hooks.localhost:80", none, 200},
		{"[::1]:8080", none, 200},
		{"[::1]", none, 200},
		{"[::ffff:127.0.0.1]:8080", none, 200},
		{"127.0.0.1:8080", "http://localhost:3000", 200},
		{"127.0.0.1:8080", "http://[::1]:3000", 200},

		{"", none, 403},
		{"evil.example", none, 403},
		{"evil.example:8080", "http://evil.example:8080", 403}, // rebound
		{"localhost.evil.example", none, 403},
		{"notlocalhost", none, 403},
		{"127.0.0.1.evil.example", none, 403},
		{"10.0.0.1:8080", none, 403},
		{"[fe80::1]:8080", none, 403},
		{"0.0.0.0:8080", none, 403},
		{"127.0.0.1:8080", "https://evil.example", 403},
		{"127.0.0.1:8080", "null", 403},
		{"127.0.0.1:8080", "https://localhost@evil.example", 403},
		{"127.0.0.1:8080", "%", 403},
	}
	h := localOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range cases {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", nil)
		r.Host = c.host
		if c.origin != none {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("host %q, origin %q: answered %d, not %d", c.host, c.origin, w.Code, c.status)
		}
		if c.status == 403 && !strings.Contains(w.Body.String(), "set POSTHORN_API_KEY") {
			t.Errorf("host %q, origin %q: answered %s", c.host, c.origin, w.Body)
		}
	}
}

// TestTwoOrigins: a second Origin is not let in behind a good one.
func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/webhooks", nil)
	r.Header["Origin"] = []string{"http://localhost", "https://evil.example"}
	w := httptest.NewRecorder()
	localOnly(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("answered %d, not 403", w.Code)
	}
}
