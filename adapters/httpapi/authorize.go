package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// APIKey is an Options.Authorize that asks for `Authorization: Bearer <key>`. The comparison takes the same time whatever was sent.
// An empty key lets nobody in, for an empty one is never compared.
func APIKey(key string) func(*http.Request) error {
	want := sha256.Sum256([]byte(key)) // digests have one length, so that the key's length does not show either
	return func(r *http.Request) error {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if given == "" || !strings.EqualFold(scheme, "Bearer") {
			return errors.New("the request is refused: it has no API key; send the header Authorization: Bearer <key>")
		}
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return errors.New("the request is refused: its API key is not the engine's; correct the key in the header Authorization")
		}
		return nil
	}
}

// AllowAll is an Options.Authorize that lets everybody in: for development, or behind a handler that has asked already.
func AllowAll(*http.Request) error { return nil }

func (s *server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if public(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if err := s.authorize(r); err != nil {
			writeProblem(w, refusal(http.StatusUnauthorized, codeUnauthorize, "%s", err.Error()))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// public tells which paths hold nothing of anybody's: health, and the description of the API, which a browser opens without a key.
func public(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/openapi.json" || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

func (s *server) authorize(r *http.Request) error {
	if s.options.Authorize == nil {
		return errors.New("the request is refused: the API is closed; the operator opens it with Options.Authorize")
	}
	return s.options.Authorize(r)
}
