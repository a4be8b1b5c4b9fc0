package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

const ada = `{"companyId":"42","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace","location":"London"}`

func post(name, path, body string) request {
	return request{name: name, method: "POST", path: path, body: body}
}
func get(name, path string) request { return request{name: name, method: "GET", path: path} }

func TestSeedWebhooks(t *testing.T) {
	t.Parallel()
	golden(t, "seed_webhooks.txt", transcript(t, serve(newMemory()), []request{
		post("register", "/webhooks", `{"companyId": 42, "url": "https://example.com/hook", "eventType": "candidate.created"}`),
		post("the number 42 is the text 42", "/webhooks", `{"companyId": "42", "url": "https://example.com/b", "eventType": "candidate.created"}`),
		post("another event type", "/webhooks", `{"companyId": "42", "url": "https://example.com/b", "eventType": "candidate.deleted", "extra": 1}`),
		post("bad url", "/webhooks", `{"companyId": "42", "url": "ftp://example.com", "eventType": "candidate.created"}`),
		post("no company", "/webhooks", `{"url": "https://example.com/hook", "eventType": "candidate.created"}`),
		post("null company", "/webhooks", `{"companyId": null, "url": "https://example.com/hook", "eventType": "candidate.created"}`),
		post("nothing", "/webhooks", `{}`),
		post("wrong types", "/webhooks", `{"companyId": true, "url": 5, "eventType": ["candidate.created"]}`),
		post("fraction", "/webhooks", `{"companyId": 4.2, "url": "https://example.com/hook", "eventType": "candidate.created"}`),
		post("exponent", "/webhooks", `{"companyId": 1e3, "url": "", "eventType": "candidate.created"}`),
		post("long number", "/webhooks", `{"companyId": 12345678901234567890, "url": "https://example.com/hook", "eventType": "x"}`),
	}))
}

func TestSeedCandidates(t *testing.T) {
	t.Parallel()
	golden(t, "seed_candidates.txt", transcript(t, serve(newMemory()), []request{
		post("create", "/candidates", ada),
		post("bad email", "/candidates", strings.Replace(ada, "ada@example.com", "ada", 1)),
		post("missing names", "/candidates", `{"companyId":"42","email":"ada@example.com"}`),
		post("nothing", "/candidates", `{}`),
		post("bad company alone", "/candidates", strings.Replace(ada, `"42"`, `[42]`, 1)),
		post("bad company and email", "/candidates", `{"companyId":4.5,"email":7,"firstName":"A","lastName":"B"}`),
		post("too many profile bytes", "/candidates", strings.Replace(ada, "London", strings.Repeat("x", 300<<10), 1)),
	}))
}

func TestSeedBadBodies(t *testing.T) {
	t.Parallel()
	golden(t, "seed_bodies.txt", transcript(t, serve(newMemory()), []request{
		post("empty", "/candidates", ``),
		post("white space", "/candidates", " \n"),
		post("malformed", "/candidates", `{"companyId":"42",}`),
		post("cut", "/candidates", `{"companyId":"4`),
		post("trailing data", "/candidates", ada+`{}`),
		post("list", "/candidates", `[1]`),
		post("null", "/candidates", `null`),
		post("text", "/webhooks", `hello`),
		post("form", "/webhooks", `companyId=42&url=x`),
		post("not UTF-8", "/webhooks", "{\"companyId\":\"\xff\"}"),
		post("too large", "/candidates", `{"a":"`+strings.Repeat("x", 512<<10)+`"}`),
		post("too deep", "/candidates", `{"a":`+strings.Repeat("[", 20000)),
	}))
}

func TestSeedHistory(t *testing.T) {
	t.Parallel()
	m := newMemory()
	answered := newCall("call_failed", core.Failed)
	answered.Reason, answered.LastStatus, answered.LastError = core.ScheduleUsedUp, 500, "the receiver answered 500; it did not take the call; see its log"
	missing := newCall("call_missing", core.Failed)
	missing.Reason, missing.Body = core.ResourceMissing, nil
	skipped, cancelled := newCall("call_skipped", core.Skipped), newCall("call_cancelled", core.Cancelled)
	skipped.Reason, cancelled.Reason, cancelled.LastStatus = core.WebhookIsOff, core.CancelledByHand, 503
	m.calls = []engine.HistoryRow{newCall("call_pending", core.Pending), newCall("call_done", core.Succeeded), answered, missing, skipped, cancelled}
	golden(t, "seed_history.txt", transcript(t, serve(m), []request{
		get("all", "/webhook_history/42"),
		get("unknown company", "/webhook_history/nobody"),
		get("first page", "/webhook_history/42?limit=1"),
		get("last page", "/webhook_history/42?limit=1&cursor=5"),
		get("bad limit", "/webhook_history/42?limit=251"),
		get("limit that is no number", "/webhook_history/42?limit=x"),
		get("bad cursor", "/webhook_history/42?cursor=x"),
	}))
}

func TestSeedHistoryTakesTheNewest250(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for i := range 300 {
		m.calls = append(m.calls, newCall(fmt.Sprintf("call_%d", i), core.Pending))
	}
	var got struct {
		Data []struct {
			PK string `json:"pk"`
		} `json:"data"`
		NextCursor string `json:"nextCursor"`
	}
	if err := json.Unmarshal(send(serve(m), get("", "/webhook_history/42")).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 250 || got.Data[0].PK != "call_0" || got.NextCursor != "250" {
		t.Errorf("got %d rows from %s, cursor %s", len(got.Data), got.Data[0].PK, got.NextCursor)
	}
}

func TestSeedFailures(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, err := range []error{
		ports.ErrOverloaded, ports.ErrClosed, ports.ErrUnknownOutcome, ports.ErrDiskLow, ports.ErrTooLarge, ports.ErrConflict,
		ports.ErrDamaged,
	} {
		m := newMemory()
		m.fail = fmt.Errorf("create in /var/lib/data: %w", err)
		text.WriteString(transcript(t, quiet(m), []request{post(err.Error(), "/candidates", ada)}))
	}
	golden(t, "seed_failures.txt", text.String())
}

// The seed's page says multipart/form-data and sends JSON.
func TestSeedTakesAnyContentType(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "multipart/form-data", "text/plain", "application/x-www-form-urlencoded", "application/json"} {
		r := post("", "/candidates", ada)
		r.header = map[string]string{"Content-Type": kind}
		if out := send(serve(newMemory()), r); out.Code != 200 {
			t.Errorf("%q: %d %s", kind, out.Code, out.Body)
		}
	}
}

func TestSeedKeepsFieldsWhole(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := post("", "/candidates", `{"companyId":7,"email":"a@b.co","firstName":"A","lastName":"B","big":12345678901234567890.10,"deep":{"x":[1,null]}}`)
	r.header = map[string]string{"Idempotency-Key": "key-1"}
	send(serve(m), r)
	want := engine.NewCandidate{
		Company: "7", Email: "a@b.co", FirstName: "A", LastName: "B", IdempotencyKey: "key-1",
		Fields: map[string]any{"big": json.RawMessage(`12345678901234567890.10`), "deep": json.RawMessage(`{"x":[1,null]}`)},
	}
	if diff := cmp.Diff(want, m.last()); diff != "" {
		t.Error(diff)
	}
}

func TestSeedRegistersOneEventType(t *testing.T) {
	t.Parallel()
	m := newMemory()
	send(serve(m), post("", "/webhooks", `{"companyId":42,"url":"https://example.com","eventType":"a.b"}`))
	want := engine.NewWebhook{Company: "42", URL: "https://example.com", EventTypes: []string{"a.b"}, Seed: true}
	if diff := cmp.Diff(want, m.last()); diff != "" {
		t.Error(diff)
	}
}
