package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"posthorn/adapters/httpapi"
	"posthorn/engine"
)

// A fresh engine stands behind one handler: making a handler costs more than all else here.
type fresh struct {
	httpapi.Engine
	handler http.Handler
}

func newFresh() *fresh {
	f := &fresh{}
	f.handler = quiet(f)
	return f
}

// checkAnswer holds for whatever was sent: a known status, JSON in UTF-8 that tells why, and nothing stored unless it was taken.
func (f *fresh) checkAnswer(t *testing.T, m *memory, r request, taken int) bool {
	t.Helper()
	f.Engine = m
	out := send(f.handler, r)
	switch out.Code {
	case taken, 400, 413, 422:
	default:
		t.Fatalf("%q: status %d: %s", r.body, out.Code, out.Body)
	}
	if !json.Valid(out.Body.Bytes()) || !utf8.Valid(out.Body.Bytes()) {
		t.Fatalf("%q: the answer is not JSON: %q", r.body, out.Body)
	}
	if stored := len(m.events) > 0; stored != (out.Code == taken) {
		t.Fatalf("%q: status %d, stored %v", r.body, out.Code, stored)
	}
	return out.Code == taken
}

func FuzzSeedCandidate(f *testing.F) {
	for _, body := range []string{
		ada, `{}`, `null`, `[]`, ``, `{"companyId":42,"email":"a@b.co","firstName":"A","lastName":"B","x":1e999}`,
		`{"companyId":-0,"companyId":{}}`, "{\"email\":\"\xff\"}", `{"companyId":"42"}x`,
	} {
		f.Add(body)
	}
	api := newFresh()
	f.Fuzz(func(t *testing.T, body string) {
		m := newMemory()
		if !api.checkAnswer(t, m, post("", "/candidates", body), http.StatusOK) {
			return
		}
		var sent, kept map[string]any
		if json.Unmarshal([]byte(body), &sent) != nil {
			return // a number beyond float64
		}
		if err := json.Unmarshal(m.candidates[0].Profile, &kept); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"id", "type", "createdAt", "companyId"} {
			delete(sent, name)
			delete(kept, name)
		}
		if diff := cmp.Diff(sent, kept); diff != "" {
			t.Errorf("fields were not kept whole: %s", diff)
		}
	})
}

func FuzzSeedWebhook(f *testing.F) {
	for _, body := range []string{
		`{"companyId": 42, "url": "https://example.com/hook", "eventType": "candidate.created"}`, `{"url":[]}`, `{"companyId":1.0}`, "\xef\xbb\xbf{}",
	} {
		f.Add(body)
	}
	api := newFresh()
	f.Fuzz(func(t *testing.T, body string) {
		m := newMemory()
		if api.checkAnswer(t, m, post("", "/webhooks", body), http.StatusOK) && (!m.webhooks[0].Seed || len(m.webhooks[0].EventTypes) != 1) {
			t.Errorf("%q made %+v", body, m.webhooks[0])
		}
	})
}

func FuzzMessage(f *testing.F) {
	for _, body := range []string{
		`{"eventType":"a.b","data":{"n":12345678901234567890}}`, `{"eventType":"a","resource":{"type":"t","id":"i"}}`, `{"eventType":"a","data":null}`,
		`{"eventType":1}`, `{"eventType":"a","data":1,"data":2}`, `{"EventType":"a","data":1}`, `{"eventType":"a","data":1e999}`,
	} {
		f.Add(body)
	}
	api := newFresh()
	f.Fuzz(func(t *testing.T, body string) {
		m := newMemory()
		if !api.checkAnswer(t, m, do("", "POST", "/messages", body), http.StatusAccepted) {
			return
		}
		if n, ok := m.last().(engine.NewMessage); !ok || len(n.Data) > 0 && !json.Valid(n.Data) || strings.ContainsAny(n.EventType, " \n") {
			t.Errorf("%q was taken as %+v", body, m.last())
		}
	})
}
