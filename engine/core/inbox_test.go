package core

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
)

// A delivery is what a transport brings.
type delivery struct {
	name string
	meta map[string]string
	body string
}

func deliveries() []delivery {
	const head = `"specversion":"1.0","id":"a-1","source":"/billing","type":"invoice.paid"`
	binary := map[string]string{
		"ce_specversion": "1.0", "ce_id": "a-1", "ce_source": "/billing", "ce_type": "invoice.paid", "ce_company": "42", "content-type": "application/json",
	}
	with := func(name, value string) map[string]string {
		out := maps.Clone(binary)
		out[name] = value
		return out
	}
	structured := map[string]string{"content-type": "application/cloudevents+json; charset=UTF-8"}
	return []delivery{
		{"a message", nil, `{"company":"42","idempotencyKey":"inv-7","message":{"eventType":"invoice.paid","data":{"total":12345678901234567890}}}`},
		{"a message about a resource", nil, `{"company":"42","message":{"eventType":"candidate.created","resource":{"type":"candidate","id":"cand_1"}}}`},
		{"data that is null", nil, `{"company":"42","message":{"eventType":"ping","data":null}}`},
		{"a candidate", nil, `{"company":"42","candidate":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace","company":"Analytical Engines","n":1e400}}`},
		{"a candidate of wrong types", nil, `{"company":"42","candidate":{"email":["ada@example.com"],"firstName":1}}`},

		{"nothing", nil, ``},
		{"no JSON", nil, `{"company":"42",`},
		{"no UTF-8", nil, "{\"company\":\"\xff\"}"},
		{"no object", nil, `[{"company":"42"}]`},
		{"null", nil, `null`},
		{"neither of both", nil, `{"company":"42"}`},
		{"both", nil, `{"company":"42","message":{},"candidate":{}}`},
		{"a number as company", nil, `{"company":42,"message":{"eventType":"ping","data":1}}`},
		{"no company", nil, `{"message":{"eventType":"ping","data":1}}`},
		{"a message of nothing", nil, `{"company":"42","message":{"eventType":"ping"}}`},
		{"a message that is a text", nil, `{"company":"42","message":"ping"}`},
		{"a candidate that is null", nil, `{"company":"42","candidate":null}`},
		{"misspelt names", nil, `{"company":"42","Company":"43","message":{"eventtype":"ping","data":1,"resource":{"kind":"x"}}}`},
		{"too large", nil, `{"company":"42","message":{"eventType":"ping","data":"` + strings.Repeat("x", MaxInbox) + `"}}`},

		{"an event", nil, `{` + head + `,"company":"42","time":"2026-01-02T03:04:05Z","subject":"x","data":{"total":1}}`},
		{"an event by its Content-Type", structured, `{` + head + `,"company":"42","data":[1]}`},
		{"an event with a number as company", structured, `{` + head + `,"company":42,"data":1}`},
		{"an event in base64", structured, `{` + head + `,"company":"42","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(`{"total":1}`)) + `"}`},
		{"an event that asks for a candidate", structured, `{"specversion":"1.0","id":"1","source":"/ats","type":"posthorn.candidate","company":"42",` +
			`"data":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}`},
		{"an event in Kafka's headers", binary, `{"total":1}`},
		{"an event in HTTP's headers", map[string]string{
			"ce-specversion": "1.0", "ce-id": "a-1", "ce-source": "/billing", "ce-type": "invoice.paid", "ce-company": "caf%C3%A9 100%25",
		}, `1`},
		{"a percent sign as it is", map[string]string{
			"ce-specversion": "1.0", "ce-id": "a-1", "ce-source": "/billing", "ce-type": "invoice.paid", "ce-company": "100%",
		}, `1`},

		{"an event of another version", structured, `{"specversion":"0.3","id":"1","source":"/s","type":"t","company":"42","data":1}`},
		{"an event without a version", structured, `{"id":"1","source":"/s","type":"t","company":"42","data":1}`},
		{"an event without id and source", structured, `{"specversion":"1.0","id":null,"type":"t","company":"42","data":1}`},
		{"an event without data", structured, `{` + head + `,"company":"42"}`},
		{"an event of both kinds of data", structured, `{` + head + `,"company":"42","data":1,"data_base64":"MQ=="}`},
		{"an event in bad base64", structured, `{` + head + `,"company":"42","data_base64":"!"}`},
		{"an event with an object as attribute", structured, `{` + head + `,"company":{"id":"42"},"data":1}`},
		{"an event of a type that is none", structured, `{"specversion":"1.0","id":"1","source":"/s","type":"a b","company":"42","data":1}`},
		{"an event of our own", structured, `{"specversion":"1.0","id":"1","source":"/s","type":"posthorn.CallSucceeded","company":"42","data":1}`},
		{"a batch of events", map[string]string{"content-type": "application/cloudevents-batch+json"}, `[{` + head + `}]`},
		{"an event with data in XML", with("content-type", "application/xml"), `<total/>`},
		{"an event with data that is no JSON", binary, `total`},
		{"an event of another version in headers", with("ce_specversion", "2.0"), `1`},
	}
}

// TestInboxForms: what is taken, as what, and what is refused in which words.
func TestInboxForms(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, d := range deliveries() {
		fmt.Fprintf(&out, "# %s\n", d.name)
		for _, name := range slices.Sorted(maps.Keys(d.meta)) {
			fmt.Fprintf(&out, "%s: %s\n", name, d.meta[name])
		}
		fmt.Fprintf(&out, "%.300s\n%s\n", strings.ToValidUTF8(d.body, "?"), taken(t, d))
	}
	golden(t, "inbox.golden", out.String())
}

// taken says what became of a delivery.
func taken(t *testing.T, d delivery) string {
	t.Helper()
	s, err := ParseSubmission("env-1", d.meta, []byte(d.body))
	if err == nil {
		_, err = checked(s)
	}
	if err != nil {
		return refusedFor(t, err)
	}
	if s.Message != nil {
		return fmt.Sprintf("-> %s %q: message of company %q, %q about %q %q: %s\n", s.Scope, s.Message.IdempotencyKey, s.Message.Company,
			s.Message.EventType, s.Message.ResourceType, s.Message.ResourceID, s.Message.Data)
	}
	c := s.Candidate
	fields, err := json.Marshal(c.Fields)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("-> %s %q: candidate of company %q, %q %q %q: %s\n", s.Scope, c.IdempotencyKey, c.Company, c.Email, c.FirstName, c.LastName, fields)
}

func checked(s Submission) (string, error) {
	if s.Message != nil {
		n, err := s.Message.Check()
		return n.IdempotencyKey, err
	}
	_, err := s.Candidate.Check()
	return s.Candidate.IdempotencyKey, err
}

// longestProblem bounds the text of one problem: up to 80 bytes of the value, each at most 4 characters when escaped, and what is said of it.
const longestProblem = 80*4 + 192

func refusedFor(t *testing.T, err error) string {
	t.Helper()
	var out strings.Builder
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok {
		t.Fatalf("the error is %v, want an InvalidError", err)
	}
	for _, p := range invalid.Problems {
		if parts := strings.FieldsFunc(p.Text, func(r rune) bool { return r == ';' || r == ':' || r == ',' }); len(parts) < 3 {
			t.Errorf("%q has not three parts", p.Text)
		}
		if !printable(p.Text) || len(p.Text) > longestProblem {
			t.Errorf("%q holds control characters, or is too long", p.Text)
		}
		fmt.Fprintf(&out, "refused %s: %s\n", p.Field, p.Text)
	}
	return out.String()
}

// TestInboxTakesWhatTheSDKWrites: the CloudEvents project's own Go package writes events in JSON, and gives them attributes for headers.
func TestInboxTakesWhatTheSDKWrites(t *testing.T) {
	t.Parallel()
	e := event.New()
	e.SetID("a-1")
	e.SetSource("https://billing.example/invoices")
	e.SetType("invoice.paid")
	e.SetSubject("inv-7")
	e.SetExtension("company", "42")
	e.SetExtension("sequence", 7)
	if err := e.SetData(event.ApplicationJSON, map[string]any{"total": 1, "text": "<é>"}); err != nil {
		t.Fatal(err)
	}
	structured, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	binary := map[string]string{
		"ce_specversion": e.SpecVersion(), "ce_id": e.ID(), "ce_source": e.Source(), "ce_type": e.Type(), "ce_company": "42", "content-type": e.DataContentType(),
	}
	var both []*NewMessage
	for _, d := range []delivery{{"structured", nil, string(structured)}, {"binary", binary, string(e.Data())}} {
		s, err := ParseSubmission("env-1", d.meta, []byte(d.body))
		if err != nil || s.Message == nil {
			t.Fatalf("%s: %+v, %v; want a message", d.name, s, err)
		}
		n, err := s.Message.Check()
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		both = append(both, &n)
	}
	if diff := cmp.Diff(both[0], both[1]); diff != "" {
		t.Errorf("the same event in its two forms (-structured +binary):\n%s", diff)
	}
	if m := both[0]; m.Company != "42" || m.EventType != "invoice.paid" || m.IdempotencyKey != eventKey(e.Source(), e.ID()) || !json.Valid(m.Data) {
		t.Errorf("message = %+v", m)
	}
}

// TestEventKeysAreApart: no two pairs of source and id have one key.
func TestEventKeysAreApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, source := range []string{"", "/a", "/a ", "/a 1", "1", strings.Repeat("s", 300)} {
		for _, id := range []string{"", "1", " 1", "11", "/a", strings.Repeat("i", 300)} {
			k := eventKey(source, id)
			if other, ok := seen[k]; ok || len(k) != 32 {
				t.Errorf("source %q and id %q have the key %s, as %s", source, id, k, other)
			}
			seen[k] = source + " and " + id
		}
	}
}

// FuzzInbox: no delivery makes the decoder panic; what it takes has a scope and a key, is one thing, and is taken alike each time.
func FuzzInbox(f *testing.F) {
	for _, d := range deliveries() {
		f.Add(d.body, d.meta["content-type"], d.meta["ce_specversion"], d.meta["ce_type"])
	}
	f.Fuzz(func(t *testing.T, body, contentType, version, eventType string) {
		meta := map[string]string{"content-type": contentType}
		if version != "" {
			meta["ce_specversion"], meta["ce_type"], meta["ce_id"], meta["ce-source"], meta["ce-company"] = version, eventType, "1", "/%s", "42"
		}
		s, err := ParseSubmission("env-1", meta, []byte(body))
		if err != nil {
			refusedFor(t, err)
			return
		}
		if (s.Message == nil) == (s.Candidate == nil) || !strings.HasPrefix(s.Scope, inboxScope) {
			t.Fatalf("taken as %+v", s)
		}
		k, err := checked(s)
		if err != nil {
			refusedFor(t, err)
			return
		}
		if k == "" {
			t.Fatalf("%+v has no key", s)
		}
		again, err := ParseSubmission("env-1", meta, []byte(body))
		if err != nil || cmp.Diff(s, again) != "" {
			t.Fatalf("taken as %+v, and again as %+v, %v", s, again, err)
		}
	})
}
