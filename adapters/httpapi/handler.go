package httpapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// DefaultMaxBody is the most bytes of a request's body: every value that follows from it stays below Badger's value threshold of
// 1 MiB.
const DefaultMaxBody = 512 << 10

// Options are what Handler may be told. The zero value works, and lets nobody in.
type Options struct {
	// Authorize says what a request may do; its error's text is given to the client with 401. It is not asked for /healthz, /readyz,
	// /openapi.json, /docs and preflights. nil refuses everything else: the API is closed unless it is opened, with Keys, APIKey or AllowAll.
	// The Access decides which routes and which company the request may use, how often, and who stands in the log.
	Authorize func(*http.Request) (Access, error)
	// CORS opens the API to pages of any origin, with any method and header. It is meant for development.
	CORS bool
	// Logger hears of internal errors and panics, never of bodies or keys. nil is slog.Default().
	Logger *slog.Logger
	// Version is told by /healthz and /openapi.json.
	Version string
	// MaxBody is the most bytes of a body; 0 is DefaultMaxBody.
	MaxBody int64
}

// heartbeat is below the 30 s after which common proxies close a connection that says nothing.
const heartbeat = 15 * time.Second

type server struct {
	engine  Engine
	options Options
	log     *slog.Logger
	bodies  *bodies
	streams streams
	limits  limits
}

// Handler serves the engine over HTTP. It is safe for concurrent use, holds no goroutine of its own, and expects paths below its
// root: mount it elsewhere with http.StripPrefix. Limits on slow clients belong to the http.Server.
func Handler(e Engine, o Options) http.Handler {
	s := &server{engine: e, options: o, log: o.Logger, bodies: newBodies(cmp.Or(o.MaxBody, DefaultMaxBody))}
	if s.log == nil {
		s.log = slog.Default()
	}
	mux := http.NewServeMux()
	s.addHealth(mux)
	s.addSeed(ruledMux{mux})
	s.addDocs(mux, s.addV1(ruledMux{mux}))
	mux.HandleFunc("/", s.noRoute(mux))
	return s.recovered(s.crossOrigin(s.authorized(s.cleaned(mux))))
}

// cleaned refuses paths that the mux would redirect: its redirect forgets the prefix under which we are mounted.
func (s *server) cleaned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		if clean := path.Clean(escaped); clean != escaped && clean+"/" != escaped {
			s.notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// noRoute answers what no pattern matches: 405 where another method would match, 404 otherwise.
func (s *server) noRoute(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		allowed := allowedMethods(mux, r)
		if len(allowed) == 0 {
			s.notFound(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, refusal(http.StatusMethodNotAllowed, codeMethod,
			"%s %s is refused: the route takes %s; use one of these", r.Method, show(r.URL.Path), strings.Join(allowed, ", ")))
	}
}

func allowedMethods(mux *http.ServeMux, r *http.Request) []string {
	return slices.DeleteFunc([]string{"GET", "POST", "PATCH", "DELETE"}, func(method string) bool {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		_, pattern := mux.Handler(probe)
		return pattern == "/" || pattern == ""
	})
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, refusal(http.StatusNotFound, codeNotFound,
		"%s %s is refused: no route has this path; see the routes in /openapi.json", r.Method, show(r.URL.Path)))
}

func (s *server) addHealth(mux *http.ServeMux) {
	alive := toJSON(struct {
		Status  string `json:"status"`
		Version string `json:"version,omitempty"`
	}{"up", s.options.Version})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, alive) })
	mux.HandleFunc("GET /readyz", s.ready)
}

// ready answers 200 while commands are taken, also when the calls wait: whoever sends commands should go on. Why they wait may name hosts of
// the operator's network, so it is told only to the operator.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.engine.Ready(r.Context()); err != nil {
		p := problemOf(err, inQuery)
		s.note(r, p)
		p.Status, p.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
		writeProblem(w, p)
		return
	}
	answer := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: "ready"}
	if err := s.engine.Degraded(r.Context()); err != nil {
		answer.Status = "degraded"
		if access, refused := s.authorize(r); refused == nil && access.Admin {
			answer.Reason = err.Error()
		}
	}
	writeJSON(w, http.StatusOK, toJSON(answer))
}
