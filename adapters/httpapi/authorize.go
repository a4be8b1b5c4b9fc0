package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"posthorn/ports"
)

// StaticKey is what the log calls the key of the settings, which has no id.
const StaticKey = "static"

// APIKey is an Options.Authorize that asks for `Authorization: Bearer <key>`, and lets it do everything. The comparison takes the same time
// whatever was sent. An empty key lets nobody in, for an empty one is never compared.
func APIKey(key string) func(*http.Request) (Access, error) {
	is := static(key)
	return func(r *http.Request) (Access, error) {
		switch given, err := bearer(r); {
		case err != nil:
			return Access{}, err
		case !is(given):
			return Access{}, wrongKey()
		}
		return Access{Key: StaticKey, Admin: true}, nil
	}
}

// Keys is an Options.Authorize that asks for one of the keys that were made with CreateKey, or for the static one, unless that is empty.
// A key that there is not, one that was revoked and a wrong secret are refused alike.
func Keys(known interface {
	Authenticate(ctx context.Context, token string) (Access, error)
}, key string,
) func(*http.Request) (Access, error) {
	is := static(key)
	return func(r *http.Request) (Access, error) {
		given, err := bearer(r)
		if err != nil {
			return Access{}, err
		}
		if is(given) {
			return Access{Key: StaticKey, Admin: true}, nil
		}
		access, err := known.Authenticate(r.Context(), given)
		switch {
		case errors.Is(err, ports.ErrNotFound):
			return Access{}, wrongKey()
		case err != nil:
			return Access{}, problemOf(err, inQuery)
		}
		return access, nil
	}
}

// AllowAll is an Options.Authorize that lets everybody do everything: for development, or behind a handler that has asked already.
func AllowAll(*http.Request) (Access, error) { return Access{Admin: true}, nil }

// bearer returns the key that a request sends.
func bearer(r *http.Request) (string, error) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if given == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("the request is refused: it has no API key; send the header Authorization: Bearer <key>")
	}
	return given, nil
}

// static compares with one key. Digests have one length, so that the key's length does not show either.
func static(key string) func(given string) bool {
	want := sha256.Sum256([]byte(key))
	return func(given string) bool {
		got := sha256.Sum256([]byte(given))
		return key != "" && subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}
}

func wrongKey() error {
	return errors.New("the request is refused: its API key is not the engine's; correct the key in the header Authorization")
}

// authorized lets in who may do anything at all, as often as the key may. What exactly it may do, each route's rule says.
func (s *server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if public(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		access, err := s.authorize(r)
		if err != nil {
			s.refuseAccess(w, r, err)
			return
		}
		if p := s.limits.refuses(access, time.Now()); p != nil {
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, withAccess(r, access))
	})
}

// refuseAccess tells that the key is refused, or that the keys could not be read.
func (s *server) refuseAccess(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = refusal(http.StatusUnauthorized, codeUnauthorize, "%s", err.Error())
	}
	s.note(r, p)
	writeProblem(w, p)
}

// public tells which paths hold nothing of anybody's: health, and the description of the API, which a browser opens without a key.
func public(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/openapi.json" || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

func (s *server) authorize(r *http.Request) (Access, error) {
	if s.options.Authorize == nil {
		return Access{}, errors.New("the request is refused: the API is closed; the operator opens it with Options.Authorize")
	}
	return s.options.Authorize(r)
}
