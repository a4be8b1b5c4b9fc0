package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/harness"
	"posthorn/harness/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a receiver, its API without a socket, and a sender.
type bench struct {
	t   *testing.T
	r   *harness.Receiver
	api http.Handler
}

func newBench(t *testing.T) bench {
	t.Helper()
	r, err := harness.Start(t.Context(), harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return bench{t, r, control.Handler(r, control.Options{})}
}

// ask makes a request of the API that must be answered so, and returns the body.
func (b bench) ask(status int, method, path, body string) string {
	b.t.Helper()
	req := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	req.Host = "127.0.0.1:9"
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, req)
	if w.Code != status {
		b.t.Errorf("%s %s %s: answered %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	return w.Body.String()
}

// send is what the receiver answers to a delivery.
func (b bench) send(path, id, body string) int {
	b.t.Helper()
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("webhook-id", id)
	b.r.ServeHTTP(w, req)
	return w.Code
}

func decode[T any](t *testing.T, text string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return value
}

type deliveries struct {
	Deliveries []control.Delivery `json:"deliveries"`
}

func TestWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	url := decode[struct{ URL string }](t, b.ask(201, "POST", "/endpoints", `{"path":"/strict","secret":"whsec_b3RoZXI=","replies":[{"status":201}]}`)).URL
	if url != b.r.URL()+"/strict" {
		t.Errorf("endpoint at %s", url)
	}
	b.ask(204, "PUT", "/script", `{"replies":[{"status":503,"retryAfter":"3s","times":2},{"when":{"id":"m9"},"status":410}]}`)
	got := []int{b.send("/hook", "m1", `{"n":1}`), b.send("/hook", "m1", "text"), b.send("/hook", "m1", ""), b.send("/strict", "m2", ""), b.send("/hook", "m9", "")}
	if want := []int{503, 503, 204, 201, 410}; !equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
	all := decode[deliveries](t, b.ask(200, "GET", "/deliveries?path=/hook&id=m1&after=1", "")).Deliveries
	if len(all) != 2 || all[0].N != 2 || all[0].Text != "text" || all[0].Repeat != 1 || all[0].Headers.Get("webhook-id") != "m1" {
		t.Errorf("deliveries %+v", all)
	}
	if first := decode[deliveries](t, b.ask(200, "GET", "/await?id=m1&count=3", "")).Deliveries[0]; string(first.Body) != `{"n":1}` {
		t.Errorf("the first was %+v", first)
	}
	if n := len(decode[deliveries](t, b.ask(200, "GET", "/await?id=m1&id=m2", "")).Deliveries); n != 4 {
		t.Errorf("%d deliveries of two ids", n)
	}
	a := decode[control.Account](t, b.ask(200, "GET", "/account?expect=m1&expect=m2&expect=m3&expect=m4", ""))
	if a.OK || a.Deliveries != 5 || a.Bad != 1 || len(a.BadDeliveries) != 1 || strings.Join(a.Lost, " ") != "m3 m4" || a.Late == nil || !slices.Equal(a.Gaps, []control.Gap{{From: "m3", To: "m4", N: 2}}) || a.UnderWay != 0 {
		t.Errorf("account %+v", a)
	}
	b.ask(204, "POST", "/reset", "")
	if got := b.ask(200, "GET", "/deliveries", ""); got != `{"deliveries":[]}`+"\n" {
		t.Errorf("after a reset there is %s", got)
	}
}

func equal(a, b []int) bool {
	left, _ := json.Marshal(a)
	right, _ := json.Marshal(b)
	return bytes.Equal(left, right)
}

// A held answer is recorded at once, and given when released; a wait that came before the delivery ends with it.
func TestHoldAndAwait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ask(204, "PUT", "/script", `{"path":"/slow","replies":[{"hold":true,"status":202}]}`)
	came, answered := make(chan string), make(chan int)
	go func() { came <- b.ask(200, "GET", "/await?path=/slow", "") }()
	go func() { answered <- b.send("/slow", "m1", "") }()
	if n := len(decode[deliveries](t, <-came).Deliveries); n != 1 {
		t.Errorf("%d deliveries", n)
	}
	if a := decode[control.Account](t, b.ask(200, "GET", "/account?path=/slow", "")); a.UnderWay != 1 {
		t.Errorf("%d are under way", a.UnderWay)
	}
	b.ask(204, "POST", "/release", "")
	if status := <-answered; status != 202 {
		t.Errorf("answered %d", status)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		status             int
		method, path, body string
		want               string
	}{
		{404, "GET", "/", "", "GET / is refused: there is no such route"},
		{404, "DELETE", "/script", "", "there is no such route"},
		{400, "GET", "/deliveries?limit=3", "", `query parameter \"limit\" is refused: /deliveries does not know it; it knows [\"path\" \"id\" \"after\"]`},
		{400, "GET", "/deliveries?after=x", "", `after \"x\" is refused: it is not the number of a delivery; give the last n that is known`},
		{400, "GET", "/await?count=0", "", `count \"0\" is refused`},
		{400, "GET", "/await?id=a&id=b&count=2", "", `count \"2\" is refused`},
		{400, "GET", "/await?timeout=5", "", `timeout \"5\" is refused: it is not a duration; give timeout=10s`},
		{504, "GET", "/await?count=2&timeout=1ms", "", "0 of 2 deliveries came: context deadline exceeded; look at GET /account and at the sender"},
		{400, "PUT", "/script", `{"reply":[]}`, `the body is refused: json: unknown field \"reply\"; see`},
		{400, "PUT", "/script", `{} {}`, "something follows the object"},
		{400, "PUT", "/script", `{"replies":[{"status":99}]}`, "status 99 is refused: it ends no exchange; give 200 to 599"},
		{400, "PUT", "/script", `{"replies":[{"times":-1}]}`, "times -1 is refused"},
		{400, "PUT", "/script", `{"replies":[{"fault":"explode"}]}`, `fault \"explode\" is refused`},
		{400, "PUT", "/script", `{"replies":[{"delay":"1"}]}`, `delay \"1\" is refused: it is not a duration`},
		{400, "PUT", "/script", `{"replies":[{"when":{"body":"("}}]}`, `body \"(\" is refused: error parsing regexp`},
		{400, "POST", "/endpoints", `{"path":"hook"}`, `path \"hook\" is refused: an endpoint is a path of the receiver; give one such as /hook`},
		{400, "POST", "/endpoints", `{"path":"/a","secret":"whsec_*"}`, "secret that begins with whsec_ refused"},
		{400, "POST", "/endpoints", `{"path":"/a","hmac":"X-Sig: hex"}`, "a header and a secret are both needed"},
	} {
		if got := b.ask(c.status, c.method, c.path, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s %s %s: said %s, want %s", c.method, c.path, c.body, got, c.want)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		token, host, origin, auth string
		status                    int
	}{
		{"", "127.0.0.1:80", "", "", 200},
		{"", "localhost", "http://localhost:3000", "", 200},
		{"", "[::1]:80", "", "", 200},
		{"", "evil.example", "", "", 403},
		{"", "localhost.evil.example:80", "", "", 403},
		{"", "127.0.0.1", "https://evil.example", "", 403},
		{"", "127.0.0.1", "null", "", 403},
		{"t", "receiver.example", "", "Bearer t", 200},
		{"t", "127.0.0.1", "", "", 401},
		{"t", "127.0.0.1", "", "Bearer u", 401},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/account", http.NoBody)
		req.Host = c.host
		req.Header.Set("Origin", c.origin)
		req.Header.Set("Authorization", c.auth)
		if c.origin == "" {
			req.Header.Del("Origin")
		}
		w := httptest.NewRecorder()
		control.Handler(b.r, control.Options{Token: c.token}).ServeHTTP(w, req)
		if w.Code != c.status {
			t.Errorf("%+v: answered %d %s", c, w.Code, w.Body)
		}
	}
}

func TestParseReply(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"500":                           `{"status":500}`,
		"503,retry-after=3s,times=2":    `{"times":2,"status":503,"retryAfter":"3s"}`,
		"hang":                          `{"fault":"hang"}`,
		"200,delay=1s,keep,body=a,b=c":  `{"keep":true,"delay":"1s","status":200,"body":"a,b=c"}`,
		"drip,pause=50ms,body=thanks":   `{"body":"thanks","fault":"drip","pause":"50ms"}`,
		"307,location=/new,delay=150ms": `{"delay":"150ms","status":307,"location":"/new"}`,
		"500,attempt=1,keep":            `{"when":{"attempt":1},"keep":true,"status":500}`,
	} {
		p, err := control.ParseReply(text)
		got, encodeErr := json.Marshal(p)
		if err != nil || encodeErr != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"explode":          `fault "explode" is refused`,
		"99":               "status 99 is refused",
		"500,often":        `"often" is none of keep, times`,
		"500,times=x":      `reply "500,times=x" is refused`,
		"500,delay=1":      `delay "1" is refused`,
		"500,attempt=many": "is refused",
	} {
		if _, err := control.ParseReply(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The receiver's end ends a wait over the API.
func TestAwaitOverClose(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := httptest.NewServer(b.api)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/await?timeout=1h", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan string)
	go func() {
		defer close(answered)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answered <- string(text)
	}()
	_ = b.r.Close()
	if got := <-answered; !strings.Contains(got, harness.ErrClosed.Error()) {
		t.Errorf("answered %s", got)
	}
}
