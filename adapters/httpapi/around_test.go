package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthorn/adapters/httpapi"
	"posthorn/engine"
)

func newRequest(r request, body io.Reader) *http.Request {
	in := httptest.NewRequest(r.method, r.path, body)
	in.Header.Set("Content-Type", "application/json")
	return in
}

func record(h http.Handler, in *http.Request) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	h.ServeHTTP(out, in)
	return out
}

func TestClosedUnlessOpened(t *testing.T) {
	t.Parallel()
	requests := []request{
		get("health", "/healthz"), get("ready", "/readyz"), get("beside docs", "/docsx"),
		post("seed", "/candidates", ada), get("history", "/webhook_history/42"), do("list", "GET", "/webhooks", ""), get("unknown", "/x"),
	}
	closed := httpapi.Handler(newMemory(), httpapi.Options{Version: "test"})
	golden(t, "closed.txt", transcript(t, closed, requests))
	for _, path := range []string{"/openapi.json", "/docs/", "/docs/swagger-ui.css"} {
		if out := send(closed, get("", path)); out.Code != http.StatusOK {
			t.Errorf("%s: %d, but the API's description is for everybody: a browser sends no key", path, out.Code)
		}
	}
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	h := httpapi.Handler(newMemory(), httpapi.Options{Authorize: httpapi.APIKey("sesame")})
	with := func(name, header string) request {
		return request{name: name, method: "GET", path: c42 + "/webhooks", header: map[string]string{"Authorization": header}}
	}
	text := transcript(t, h, []request{
		do("none", "GET", "/webhooks", ""), with("wrong", "Bearer simsim"), with("longer", "Bearer sesame2"),
		with("scheme", "Basic sesame"), with("empty", "Bearer "), with("right", "Bearer sesame"), with("lower case", "bearer sesame"),
	})
	golden(t, "key.txt", text)
	if strings.Contains(strings.ReplaceAll(text, "# ", ""), "simsim") {
		t.Error("an answer holds the key that was sent")
	}
	nobody := httpapi.Handler(newMemory(), httpapi.Options{Authorize: httpapi.APIKey("")})
	if out := send(nobody, with("", "Bearer ")); out.Code != http.StatusUnauthorized {
		t.Errorf("an empty key let a request in: %d", out.Code)
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	open := httpapi.Handler(newMemory(), httpapi.Options{CORS: true, Authorize: httpapi.APIKey("k")})
	preflight := request{method: "OPTIONS", path: c42 + "/webhooks/wh_1", header: map[string]string{
		"Origin": "https://page.example", "Access-Control-Request-Method": "PATCH",
		"Access-Control-Request-Headers": "authorization,content-type,x-new",
	}}
	out := send(open, preflight)
	h := out.Header()
	if out.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "PATCH" ||
		h.Get("Access-Control-Allow-Headers") != "authorization,content-type,x-new" {
		t.Errorf("preflight: %d %v", out.Code, h)
	}
	if out := send(open, get("", "/webhook_history/42")); out.Code != 401 || out.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a refused request must be readable by the page too: %d %v", out.Code, out.Header())
	}
	if out := send(serve(newMemory()), preflight); out.Code != 405 || out.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("closed by default: %d %v", out.Code, out.Header())
	}
}

// A panicking engine panics with what it was given.
type panicking struct{ *memory }

func (panicking) Publish(context.Context, engine.NewMessage) (engine.Message, error) {
	panic("out of luck")
}

func (panicking) CreateCandidate(context.Context, engine.NewCandidate) (engine.Candidate, error) {
	panic(http.ErrAbortHandler)
}

func TestPanicIsA500AndLoggedWithoutTheBody(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := httpapi.Handler(panicking{newMemory()}, httpapi.Options{
		Authorize: httpapi.AllowAll, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	out := send(h, do("", "POST", "/messages", `{"eventType":"a","data":"private"}`))
	if out.Code != 500 || !strings.Contains(out.Body.String(), `"code":"internal"`) || strings.Contains(out.Body.String(), "luck") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if !strings.Contains(log.String(), "out of luck") || strings.Contains(log.String(), "private") {
		t.Errorf("log: %s", &log)
	}
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Error("an abort was swallowed")
		}
	}()
	send(h, post("", "/candidates", ada))
}

func (panicking) Follow(context.Context, uint64) iter.Seq2[engine.Event, error] {
	return func(func(engine.Event, error) bool) { panic("out of luck") }
}

func TestPanicBehindAStreamEndsTheStreamAlone(t *testing.T) {
	t.Parallel()
	out := send(quiet(panicking{newMemory()}), get("", "/v1/events/stream"))
	if !strings.Contains(out.Body.String(), "event: error\n") || strings.Contains(out.Body.String(), "luck") {
		t.Errorf("got %s", out.Body)
	}
}

// An answer that has begun must not look whole.
func TestPanicInTheMiddleOfAnAnswerBreaksTheConnection(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("got %v", err)
		}
	}()
	quiet(newMemory()).ServeHTTP(tripping{http.Header{}}, newRequest(get("", "/healthz"), nil))
}

// A tripping writer panics at the body.
type tripping struct{ header http.Header }

func (w tripping) Header() http.Header     { return w.header }
func (tripping) WriteHeader(int)           {}
func (tripping) Write([]byte) (int, error) { panic("tripped") }

func TestInternalErrorsAreLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m := newMemory()
	m.fail = io.ErrClosedPipe
	h := httpapi.Handler(m, httpapi.Options{Authorize: httpapi.AllowAll, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, r := range []request{do("", "GET", "/webhooks", ""), post("", "/candidates", ada), get("", "/readyz")} {
		log.Reset()
		if out := send(h, r); out.Code < 500 || strings.Contains(out.Body.String(), "pipe") {
			t.Errorf("%s: %d %s", r.path, out.Code, out.Body)
		}
		if !strings.Contains(log.String(), "closed pipe") {
			t.Errorf("%s: log: %q", r.path, &log)
		}
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	out := send(serve(newMemory()), get("", "/openapi.json"))
	golden(t, "openapi.json", indented(out.Body.Bytes()))
}

// Mounted at /a/b/, everything works: routes, errors, the docs page and what it loads.
func TestUnderAPrefix(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/a/b/", http.StripPrefix("/a/b", serve(newMemory())))
	server := httptest.NewServer(mux)
	defer server.Close()
	fetch := func(path string) (status int, body, at string) {
		t.Helper()
		answer, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text), answer.Request.URL.Path
	}
	for path, status := range map[string]int{
		"/a/b/healthz": 200, "/a/b/webhook_history/42": 200, "/a/b" + c42 + "/webhooks": 200, "/a/b/nothing": 404,
		"/a/b/openapi.json": 200, "/a/b/docs/swagger-ui.css": 200, "/a/b/docs/swagger-ui-bundle.js": 200,
		"/a/b/docs/swagger-ui-standalone-preset.js": 200, "/a/b/docs/favicon-32x32.png": 200,
	} {
		if got, body, _ := fetch(path); got != status {
			t.Errorf("%s: %d %.200s", path, got, body)
		}
	}
	status, html, at := fetch("/a/b/docs") // by way of a redirect
	if at != "/a/b/docs/" || status != http.StatusOK {
		t.Errorf("docs: %d at %s", status, at)
	}
	for _, outside := range []string{`src="http`, `href="http`, `src="/`, `href="/`, "unpkg", "cdn"} {
		if strings.Contains(html, outside) {
			t.Errorf("the docs page holds %q:\n%s", outside, html)
		}
	}
	// The page's script joins its own path and this address.
	if !strings.Contains(html, `"swaggerJsonUrl":"../openapi.json"`) || !strings.Contains(html, `href="./swagger-ui.css"`) {
		t.Errorf("docs:\n%s", html)
	}
	var description struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
	}
	if _, text, _ := fetch("/a/b/openapi.json"); json.Unmarshal([]byte(text), &description) != nil || description.Servers[0].URL != "." {
		t.Errorf("servers: %v", description.Servers)
	}
}
