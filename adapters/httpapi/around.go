package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// crossOrigin answers preflights and opens answers to pages of other origins. A preflight carries no key, so it comes before
// Authorize. A * would not stand for the header Authorization (Fetch standard, "CORS protocol and HTTP caches"), so what was asked
// for is repeated.
func (s *server) crossOrigin(next http.Handler) http.Handler {
	if !s.options.CORS {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		method := r.Header.Get("Access-Control-Request-Method")
		if r.Method != http.MethodOptions || method == "" {
			h.Set("Access-Control-Expose-Headers", "*")
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", method)
		if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
			h.Set("Access-Control-Allow-Headers", headers)
		}
		h.Set("Access-Control-Max-Age", "600")
		h.Set("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		w.WriteHeader(http.StatusNoContent)
	})
}

// recovered turns a panic into a 500, or into a broken connection where the answer has begun: a cut answer must not look whole.
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			if thrown := recover(); thrown != nil {
				s.panicked(watched, r, thrown)
			}
		}()
		next.ServeHTTP(watched, r)
	})
}

func (s *server) panicked(w *watchedWriter, r *http.Request, thrown any) {
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(thrown)
	}
	err := fmt.Errorf("panic: %v", thrown)
	s.log.ErrorContext(r.Context(), "request panicked",
		"method", r.Method, "route", r.Pattern, "error", err, "stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	p := problemOf(err, inBody)
	p.cause = nil // it is logged
	writeProblem(w, p)
}

// A watchedWriter knows whether the answer has begun.
type watchedWriter struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader begins the answer.
func (w *watchedWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer, if WriteHeader has not.
func (w *watchedWriter) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
