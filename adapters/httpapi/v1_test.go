package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/adapters/httpapi"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// quiet does not log.
func quiet(e httpapi.Engine) http.Handler {
	return httpapi.Handler(e, httpapi.Options{Authorize: httpapi.AllowAll, Logger: slog.New(slog.DiscardHandler)})
}

const c42 = "/v1/companies/42"

func do(name, method, path, body string) request {
	return request{name: name, method: method, path: c42 + path, body: body}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	golden(t, "v1_webhooks.txt", transcript(t, serve(newMemory()), []request{
		do("create", "POST", "/webhooks", `{"url":"https://example.com/hook","eventTypes":["invoice.*"],"description":"ours","schedule":["5s","2m"],"timeout":"3s"}`),
		do("create with defaults", "POST", "/webhooks", `{"url":"https://example.com/b","eventTypes":["*"]}`),
		do("list", "GET", "/webhooks?limit=1", ""),
		do("next page", "GET", "/webhooks?limit=1&cursor=1", ""),
		do("get: no secret", "GET", "/webhooks/wh_1", ""),
		do("update", "PATCH", "/webhooks/wh_1", `{"url":"https://example.com/c"}`),
		do("disable", "POST", "/webhooks/wh_1/disable", ""),
		do("enable", "POST", "/webhooks/wh_1/enable", ""),
		do("delete", "DELETE", "/webhooks/wh_1", ""),
		do("gone", "GET", "/webhooks/wh_1", ""),
		do("core refuses", "POST", "/webhooks", `{"url":"ftp://x","eventTypes":["a b"]}`),
		do("missing", "POST", "/webhooks", `{}`),
		do("wrong types", "POST", "/webhooks", `{"url":5,"eventTypes":"a","schedule":[1],"colour":"red"}`),
		do("bad durations", "POST", "/webhooks", `{"url":"https://x.com","eventTypes":["a"],"schedule":["5s","5"],"timeout":"soon"}`),
		do("bad limit", "GET", "/webhooks?limit=300", ""),
		do("limit is no number", "GET", "/webhooks?limit=many", ""),
		do("bad cursor", "GET", "/webhooks?cursor=x", ""),
		do("unknown parameter", "GET", "/webhooks?colour=red", ""),
	}))
}

func TestPolicyOfAWebhook(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.calls = []engine.HistoryRow{newCall("call_1", core.Failed)}
	m.attempts = []engine.Attempt{{
		Attempt: 1, StartedAt: epoch, Status: 500, Class: ports.ClassStatus, Error: "the receiver answered 500; see its log", Response: "no",
	}}
	golden(t, "v1_policy.txt", transcript(t, serve(m), []request{
		do("create", "POST", "/webhooks", `{"url":"https://example.com/hook","eventTypes":["invoice.*"],"filter":"data.n > 1",
			"headers":{"X-Tenant":"ours","Authorization":"Bearer hush"},"metadata":{"k":"v"},"maxAge":"48h","inFlight":8,"rate":2.5,
			"sequential":true,"secret":"whsec_`+strings.Repeat("QUJD", 8)+`"}`),
		do("get: masked", "GET", "/webhooks/wh_1", ""),
		do("pause", "POST", "/webhooks/wh_1/pause", ""),
		do("resume", "POST", "/webhooks/wh_1/resume", ""),
		do("rotate", "POST", "/webhooks/wh_1/secret/rotate", ""),
		do("rotate to a secret of one's own", "POST", "/webhooks/wh_1/secret/rotate", `{"secret":"whsec_`+strings.Repeat("QUJD", 8)+`","overlap":"1h"}`),
		do("test", "POST", "/webhooks/wh_1/test", ""),
		do("test of an unknown one", "POST", "/webhooks/wh_9/test", ""),
		do("core refuses", "POST", "/webhooks", `{"url":"https://example.com","eventTypes":["a"],"headers":{"Host":"x","X Y":"z","X-A":"\n"},"metadata":{"":"x"},
			"timeout":"2m","maxAge":"1ms","inFlight":65,"rate":0.001,"secret":"short"}`),
		do("a filter for what is announced", "POST", "/webhooks", `{"url":"https://example.com","eventTypes":["webhook.*"],"filter":"true"}`),
		do("wrong types", "POST", "/webhooks", `{"url":"https://example.com","eventTypes":["a"],"filter":1,"headers":{"a":1},"metadata":[],"maxAge":5,
			"inFlight":1.5,"rate":"fast","sequential":"yes","secret":null}`),
		do("numbers beyond", "POST", "/webhooks", `{"url":"https://example.com","eventTypes":["a"],"inFlight":99999999999999999999,"rate":1e999}`),
		do("a whole number as no int is written", "POST", "/webhooks", `{"url":"https://example.com","eventTypes":["a"],"inFlight":1e1}`),
		do("bad durations", "PATCH", "/webhooks/wh_1", `{"maxAge":"soon","timeout":""}`),
		do("null is no value", "PATCH", "/webhooks/wh_1", `{"eventTypes":null,"schedule":null,"headers":null,"filter":null,"rate":null}`),
		do("unknown field", "PATCH", "/webhooks/wh_1", `{"secret":"whsec_x","enabled":false}`),
		do("rotation refused", "POST", "/webhooks/wh_1/secret/rotate", `{"secret":"whsec_short","overlap":"8d"}`),
		do("overlap too long", "POST", "/webhooks/wh_1/secret/rotate", `{"overlap":"169h"}`),
	}))
}

// A test call that does not end in time is answered as it stands.
func TestTestCallThatIsStillOpen(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.calls = []engine.HistoryRow{newCall("call_1", core.Pending)}
	send(serve(m), do("", "POST", "/webhooks", `{"url":"https://example.com/hook","eventTypes":["a"]}`))
	out := send(serve(m), do("", "POST", "/webhooks/wh_1/test", ""))
	if out.Code != http.StatusAccepted || !strings.Contains(out.Body.String(), `"state":"pending"`) || !strings.Contains(out.Body.String(), `"attempts":[]`) {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// A webhook's timeout may be longer than what the server allows for answers.
func TestTestCallOutlivesTheServersLimit(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.calls = []engine.HistoryRow{newCall("call_1", core.Succeeded)}
	send(serve(m), do("", "POST", "/webhooks", `{"url":"https://example.com/hook","eventTypes":["a"]}`))
	server := httptest.NewUnstartedServer(serve(m))
	server.Config.WriteTimeout = time.Nanosecond // over when the request has been read
	server.Start()
	defer server.Close()
	in, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+c42+"/webhooks/wh_1/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.Client().Do(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Body.Close(); err != nil || out.StatusCode != http.StatusOK {
		t.Errorf("%d, %v", out.StatusCode, err)
	}
}

// What is not given stays, and what is empty is taken away: the engine has to hear the difference.
func TestWhatAPatchAsksFor(t *testing.T) {
	t.Parallel()
	m := newMemory()
	h := serve(m)
	filter, description, url := "", "", "https://example.com/b"
	timeout, age, inFlight, rate, sequential := time.Second, time.Duration(0), 0, 0.0, false
	for body, want := range map[string]engine.WebhookEdit{
		`{}`: {},
		`{"filter":"","headers":{},"description":"","metadata":{},"schedule":[],"maxAge":"0s","inFlight":0,"rate":0,"sequential":false}`: {
			Filter: &filter, Headers: map[string]string{}, Description: &description, Metadata: map[string]string{}, Schedule: []time.Duration{},
			MaxAge: &age, InFlight: &inFlight, Rate: &rate, Sequential: &sequential,
		},
		`{"url":"https://example.com/b","eventTypes":["b"],"headers":{"a":"b"},"metadata":{"c":"d"},"schedule":["1m"],"timeout":"1s"}`: {
			URL: &url, EventTypes: []string{"b"}, Headers: map[string]string{"a": "b"}, Metadata: map[string]string{"c": "d"},
			Schedule: []time.Duration{time.Minute}, Timeout: &timeout,
		},
	} {
		send(h, do("", "PATCH", "/webhooks/wh_1", body))
		want.Company, want.ID = "42", "wh_1"
		if diff := cmp.Diff(want, m.last()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

// Both ask for the usual overlap, unless one is given; 0s is one.
func TestWhatARotationAsksFor(t *testing.T) {
	t.Parallel()
	m := newMemory()
	h := serve(m)
	none := time.Duration(0)
	for body, want := range map[string]engine.Rotation{``: {}, `{}`: {}, `{"overlap":"0s"}`: {Overlap: &none}} {
		send(h, do("", "POST", "/webhooks/wh_1/secret/rotate", body))
		want.Company, want.ID = "42", "wh_1"
		if diff := cmp.Diff(want, m.last()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	golden(t, "v1_candidates.txt", transcript(t, serve(newMemory()), []request{
		do("create", "POST", "/candidates", `{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace","n":12345678901234567890}`),
		do("list", "GET", "/candidates", ""),
		do("get", "GET", "/candidates/cand_1", ""),
		do("update", "PATCH", "/candidates/cand_1", `{"location":"London"}`),
		do("apply", "POST", "/candidates/cand_1/apply", `{"job":"engineer"}`),
		do("state", "POST", "/candidates/cand_1/state", `{"state":"hired"}`),
		do("delete", "DELETE", "/candidates/cand_1", ""),
		do("missing", "POST", "/candidates", `{"email":"ada@example.com"}`),
		do("wrong type", "POST", "/candidates", `{"email":5,"firstName":"Ada","lastName":null}`),
		do("bad email", "POST", "/candidates", `{"email":"x","firstName":"Ada","lastName":"L"}`),
		do("nothing to change", "PATCH", "/candidates/cand_1", `{}`),
		do("unknown", "POST", "/candidates/cand_9/apply", `{"job":"engineer"}`),
		do("no job", "POST", "/candidates/cand_1/apply", `{"job":""}`),
	}))
}

func TestMessages(t *testing.T) {
	t.Parallel()
	golden(t, "v1_messages.txt", transcript(t, serve(newMemory()), []request{
		do("data", "POST", "/messages", `{"eventType":"invoice.paid","data":{"n":1}}`),
		do("resource", "POST", "/messages", `{"eventType":"invoice.paid","resource":{"type":"candidate","id":"cand_1"}}`),
		do("neither", "POST", "/messages", `{"eventType":"invoice.paid"}`),
		do("half a resource", "POST", "/messages", `{"eventType":"invoice.paid","resource":{"id":"x"}}`),
		do("bad event type", "POST", "/messages", `{"eventType":"in voice","data":1}`),
		do("too much data", "POST", "/messages", `{"eventType":"a","data":"`+strings.Repeat("x", 300<<10)+`"}`),
	}))
}

func TestMessageDataIsKeptWhole(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := do("", "POST", "/messages", `{"eventType":"a","data":{"n":12345678901234567890.10},"resource":{"type":"t","id":"i"}}`)
	r.header = map[string]string{"Idempotency-Key": "inv-7"}
	send(serve(m), r)
	want := engine.NewMessage{
		Company: "42", EventType: "a", Data: json.RawMessage(`{"n":12345678901234567890.10}`), ResourceType: "t", ResourceID: "i",
		IdempotencyKey: "inv-7",
	}
	if diff := cmp.Diff(want, m.last()); diff != "" {
		t.Error(diff)
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.calls = []engine.HistoryRow{newCall("call_1", core.Pending), newCall("call_2", core.Succeeded)}
	golden(t, "v1_calls.txt", transcript(t, serve(m), []request{
		do("list", "GET", "/calls?state=succeeded", ""),
		do("get", "GET", "/calls/call_1", ""),
		do("retry", "POST", "/calls/call_2/retry", ""),
		do("cancel", "POST", "/calls/call_1/cancel", ""),
		do("cancel an ended one", "POST", "/calls/call_2/cancel", ""),
		do("unknown", "GET", "/calls/call_9", ""),
		do("bad state", "GET", "/calls?state=lost", ""),
		do("bad time", "GET", "/calls?since=yesterday", ""),
	}))
}

func TestCallFilters(t *testing.T) {
	t.Parallel()
	m := newMemory()
	send(serve(m), do("", "GET", "/calls?webhook=w&eventType=e&state=failed&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&limit=7&cursor=3", ""))
	want := engine.CallQuery{
		Company: "42", Webhook: "w", EventType: "e", State: core.Failed, Limit: 7, Cursor: "3",
		Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, m.last()); diff != "" {
		t.Error(diff)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.happen("WebhookRegistered", "42")
	m.happen("CallFailed", "7")
	h := serve(m)
	golden(t, "v1_events.txt", transcript(t, h, []request{
		do("list", "GET", "/events?after=1&limit=1", ""),
		get("all companies", "/v1/events"),
		do("bad place", "GET", "/events?after=-1", ""),
	}))
	send(h, do("", "GET", "/events?after=1&limit=2&type=CallFailed", ""))
	if diff := cmp.Diff(engine.EventQuery{Company: "42", Type: "CallFailed", After: 1, Limit: 2}, m.last()); diff != "" {
		t.Error(diff)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	notJSON := do("media type", "POST", "/messages", `{"eventType":"a","data":1}`)
	notJSON.header = map[string]string{"Content-Type": "text/plain"}
	golden(t, "v1_bad.txt", transcript(t, serve(newMemory()), []request{
		do("empty", "POST", "/messages", ``),
		do("malformed", "POST", "/messages", `{"eventType":`),
		do("trailing", "POST", "/messages", `{"eventType":"a","data":1} x`),
		do("list", "POST", "/messages", `[]`),
		do("not UTF-8", "POST", "/messages", "{\"eventType\":\"\xc3\x28\"}"),
		do("too large", "POST", "/messages", `{"data":"`+strings.Repeat("x", 512<<10)+`"}`),
		do("a number beyond float64", "POST", "/candidates", `{"email":"a@b.co","firstName":"A","lastName":"B","n":1e999}`),
		notJSON,
		get("no such path", "/v2/things"),
		get("no such path below a company", c42+"/things%0Ax"),
		get("two slashes", "/v1/companies//webhooks"),
		get("dots", "/v1/companies/../webhooks"),
		{name: "method", method: "PUT", path: c42 + "/webhooks"},
		{name: "method of the seed", method: "GET", path: "/candidates"},
		{name: "unknown verb", method: "BREW", path: "/webhooks"},
		get("a slash in the company", "/v1/companies/a%2Fb/webhooks/wh_9"),
	}))
}

func TestFailures(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, err := range []error{
		ports.ErrNotFound, ports.ErrConflict, ports.ErrTooLarge, ports.ErrOverloaded, ports.ErrClosed, ports.ErrUnknownOutcome,
		ports.ErrDiskLow, ports.ErrDamaged, errors.New("disk on fire"),
	} {
		m := newMemory()
		m.fail = fmt.Errorf("publish: %w", err)
		text.WriteString(transcript(t, quiet(m), []request{
			do(err.Error(), "POST", "/messages", `{"eventType":"a","data":1}`), get("ready", "/readyz"),
		}))
	}
	golden(t, "v1_failures.txt", text.String())
}

// Commands are taken though calls wait. The reason names hosts, and is for those with a key.
func TestDegradedIsReady(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.waits = errors.New("calls wait: the transport cannot be reached: dial tcp 10.1.2.3:9092: connection refused; they go on by themselves when it can")
	h := httpapi.Handler(m, httpapi.Options{Authorize: httpapi.APIKey("sesame")})
	golden(t, "degraded.txt", transcript(t, h, []request{
		get("without a key", "/readyz"),
		{name: "with the key", method: "GET", path: "/readyz", header: map[string]string{"Authorization": "Bearer sesame"}},
	}))
}

func TestBodyOfExactlyTheLimitIsTaken(t *testing.T) {
	t.Parallel()
	h := httpapi.Handler(newMemory(), httpapi.Options{Authorize: httpapi.AllowAll, MaxBody: 64})
	body := `{"eventType":"a","data":"`
	body += strings.Repeat("x", 62-len(body)) + `"}`
	if out := send(h, do("", "POST", "/messages", body)); out.Code != http.StatusAccepted {
		t.Errorf("64 bytes: %d %s", out.Code, out.Body)
	}
	if out := send(h, do("", "POST", "/messages", body+" ")); out.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("65 bytes: %d %s", out.Code, out.Body)
	}
	unannounced := do("", "POST", "/messages", "")
	in := newRequest(unannounced, io.MultiReader(strings.NewReader(body+" ")))
	if out := record(h, in); out.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("65 bytes without a length: %d %s", out.Code, out.Body)
	}
}

func TestAnnouncedTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	in := newRequest(post("", "/candidates", ""), broken{})
	in.ContentLength = 1 << 30
	if out := record(serve(newMemory()), in); out.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	in := newRequest(post("", "/candidates", ""), io.MultiReader(strings.NewReader(`{"a":`), broken{}))
	if out := record(serve(newMemory()), in); out.Code != 400 || !strings.Contains(out.Body.String(), "ended before its announced end") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
