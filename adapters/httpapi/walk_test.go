package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/memstore"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// The walk goes through every operation of the OpenAPI document, as whoever has no business there. What an operation needs to be tried is
// in the three tables below; one that needs something else fails the test, which says what to add.

// bodies are what operations are sent, by operation id. {company} stands for the company that is tried; {webhooks} and the like for an id of that
// collection, as in paths. An operation whose body is not required is sent none unless it stands here.
func bodies() map[string]string {
	return map[string]string{
		"create-webhook":         `{"url":"https://receiver.example/hook","eventTypes":["a.*"]}`,
		"update-webhook":         `{"description":"changed"}`,
		"create-candidate":       `{"email":"eve@example.com","firstName":"Eve","lastName":"Adams"}`,
		"update-candidate":       `{"location":"elsewhere"}`,
		"apply-candidate":        `{"job":"engineer"}`,
		"change-candidate-state": `{"state":"hired"}`,
		"publish-message":        `{"eventType":"a.b","resource":{"type":"candidate","id":"{candidates}"}}`,
		"create-key":             `{"scope":"admin"}`,
		"start-replay":           `{"mode":"same","webhook":"{webhooks}"}`,
		"preview-replay":         `{"mode":"match","webhook":"{webhooks}"}`,
		"seed-create-webhook":    `{"companyId":"{company}","url":"https://receiver.example/hook","eventType":"candidate.created"}`,
		"seed-create-candidate":  `{"companyId":"{company}","email":"eve@example.com","firstName":"Eve","lastName":"Adams"}`,
	}
}

// queries are what the parameters of queries are sent; empty leaves one out, for nothing of anybody's is named by it.
func queries() map[string]string {
	return map[string]string{
		"limit": "", "cursor": "", "after": "", "type": "", "state": "", "since": "", "until": "", "eventType": "", "asOf": "", "kind": "", "reason": "", "waiting": "", "count": "",
		"webhook": "{webhooks}",
	}
}

// owned makes one thing of each collection for a company, by the collection's name in paths, with the mark in it.
func owned(t *testing.T, e *engine.Engine, company, mark string) map[string]string {
	t.Helper()
	ctx := engine.WithActor(t.Context(), engine.Actor{Key: "static", Remote: "the operator's " + acmesMark}) // which no company is to see
	hook, err := e.RegisterWebhook(ctx, engine.NewWebhook{
		Company: company, URL: "https://receiver.example/" + mark, EventTypes: []string{"*"}, Description: mark, Headers: map[string]string{"X-Mark": mark},
	})
	must(t, err)
	_, err = e.RegisterWebhook(ctx, engine.NewWebhook{
		Company: company, URL: "https://receiver.example/failing-" + mark, EventTypes: []string{"a.*"}, Schedule: []time.Duration{},
	})
	must(t, err)
	candidate, err := e.CreateCandidate(ctx, engine.NewCandidate{Company: company, Email: mark + "@example.com", FirstName: mark, LastName: mark})
	must(t, err)
	message, err := e.Publish(ctx, engine.NewMessage{Company: company, EventType: "a." + mark, Data: json.RawMessage(`"` + mark + `"`)})
	must(t, err)
	key, err := e.CreateKey(ctx, engine.NewAPIKey{Name: mark, Scope: core.CompanyScope(company)})
	must(t, err)
	use, err := e.CreateKey(ctx, engine.NewAPIKey{Scope: core.CompanyScope(company)}) // the other one will be revoked
	must(t, err)
	pass(time.Minute) // the calls end
	calls, err := e.CallPage(ctx, engine.CallQuery{Company: company})
	must(t, err)
	_, err = e.DisableWebhook(ctx, company, hook.ID) // so that something is not delivered
	must(t, err)
	_, err = e.Publish(ctx, engine.NewMessage{Company: company, EventType: "a." + mark, Data: json.RawMessage("1")})
	must(t, err)
	_, err = e.EnableWebhook(ctx, company, hook.ID)
	must(t, err)
	replay, err := e.StartReplay(ctx, engine.NewReplay{
		Company: company, Mode: core.ReplaySame, Query: engine.ReplayQuery{EventType: "a." + mark, Until: core.StampOf(time.Unix(1, 0))},
	})
	must(t, err)
	pass(time.Minute) // it ends
	return map[string]string{
		"webhooks": hook.ID, "candidates": candidate.ID, "messages": message.ID, "calls": calls.Items[0].ID, "keys": key.ID, "replays": replay.ID,
		"secret": hook.Secret, "token": use.Token,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	acme, bravo = "acme-7f3a", "bravo"
	acmesMark   = "7f3a"      // stands in all that acme has, and in its name
	nobody      = "nobody-00" // as long as acme, and no company
)

// A walk is an engine with two companies, its API, and everybody's keys.
type walk struct {
	t          *testing.T
	engine     *engine.Engine
	caller     *portstest.ScriptedCaller
	h          http.Handler
	acmes      map[string]string // ids by collection, as bravos
	bravos     map[string]string
	tokens     map[string]string // by whose they are
	operations []operation
}

// An operation is one of the OpenAPI document's.
type operation struct {
	ID         string `json:"operationId"`
	Parameters []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
	RequestBody *struct {
		Required bool `json:"required"`
	} `json:"requestBody"`

	method, path string
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	caller, channel := portstest.NewScriptedCaller(), gochannel.New()
	e, err := engine.Open(t.Context(), engine.Options{
		Store: memstore.New(), Bus: watermillbus.New(channel, channel, watermillbus.Options{}), Caller: caller,
		Key: engine.NewKey([engine.KeyBytes]byte{1}),
	})
	must(t, err)
	caller.Respond(func(r ports.Request) portstest.ScriptedReply {
		_, what, _ := strings.Cut(r.URL, "example/")
		if strings.HasPrefix(what, "failing") {
			return portstest.ScriptedReply{Reply: ports.Reply{Status: http.StatusInternalServerError, Class: ports.ClassStatus, Body: []byte(what)}}
		}
		return portstest.ScriptedReply{Reply: ports.Reply{Status: http.StatusOK, Body: []byte(what)}}
	})
	w := &walk{t: t, engine: e, caller: caller, h: httpapi.Handler(e, httpapi.Options{Authorize: httpapi.Keys(e, "static-key")})}
	w.acmes = owned(t, e, acme, acmesMark)
	w.bravos = owned(t, e, bravo, "bravos")
	w.tokens = map[string]string{"nobody": "", "acme": w.acmes["token"], "bravo": w.bravos["token"], "static": "static-key"}
	for name, scope := range map[string]engine.Scope{"admin": core.ScopeAdmin, "read": core.ScopeRead, "revoked": core.ScopeAdmin} {
		key, err := e.CreateKey(t.Context(), engine.NewAPIKey{Scope: scope})
		must(t, err)
		w.tokens[name] = key.Token
	}
	id, _ := core.KeyOfToken(w.tokens["revoked"])
	_, err = e.RevokeKey(t.Context(), id)
	must(t, err)
	w.tokens["wrong"] = w.tokens["admin"][:len(w.tokens["admin"])-4] + "AAAA"
	w.tokens["unknown"] = "phk_01ARZ3NDEKTSV4RRFFQ69G5FAV_" + strings.Repeat("A", 43)
	w.operations = described(t, w.h)
	return w
}

// described lists the operations, those that remove things last.
func described(t *testing.T, h http.Handler) (all []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	must(t, json.Unmarshal(send(h, get("", "/openapi.json")).Body.Bytes(), &doc))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, o := range doc.Paths[path] {
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	order := []string{"GET", "POST", "PATCH", "PUT", "DELETE"}
	slices.SortStableFunc(all, func(a, b operation) int { return slices.Index(order, a.method) - slices.Index(order, b.method) })
	return all
}

// An attempt is an operation with all that it is sent, but for the places of ids and the company.
type attempt struct {
	method, path, body string
	ofCompany, namesID bool
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// attempt fills an operation in from the tables; ok is false, and the test has failed, where they lack something.
func (w *walk) attempt(o operation) (a attempt, ok bool) {
	a, ok = attempt{method: o.method, path: o.path, body: bodies()[o.ID]}, true
	lacks := func(format string, args ...any) {
		w.t.Errorf("%s %s (%s) cannot be tried as a stranger would: %s, in walk_test.go", o.method, o.path, o.ID, fmt.Sprintf(format, args...))
		ok = false
	}
	if o.RequestBody != nil && o.RequestBody.Required && a.body == "" {
		lacks("it needs a body; add one to bodies, with the ids and the company that it names as {collection} and {company}")
	}
	var query []string
	for _, p := range o.Parameters {
		value, known := queries()[p.Name]
		if p.In == "query" && !known {
			lacks("it has a parameter %q; say in queries what it names: {collection}, or nothing", p.Name)
		}
		if p.In == "query" && value != "" {
			query = append(query, p.Name+"="+value)
		}
	}
	segments := strings.Split(o.path, "/")
	for i, s := range segments {
		if segments[i] == "{companyId}" {
			segments[i] = "{company}"
		} else if placeholder.MatchString(s) && s != "{company}" {
			segments[i] = "{" + segments[i-1] + "}"
		}
	}
	a.path = strings.Join(segments, "/")
	if len(query) > 0 {
		a.path += "?" + strings.Join(query, "&")
	}
	for _, named := range placeholder.FindAllStringSubmatch(a.path+a.body, -1) {
		a.ofCompany, a.namesID = a.ofCompany || named[1] == "company", a.namesID || named[1] != "company"
		if _, known := w.acmes[named[1]]; !known && named[1] != "company" {
			lacks("it names one of %q; let owned make one for the company, with the mark in it", named[1])
		}
	}
	return a, ok
}

// fill writes a company and ids into the places.
func (a attempt) fill(text, company string, id func(collection string) string) string {
	return placeholder.ReplaceAllStringFunc(text, func(named string) string {
		if named == "{company}" {
			return company
		}
		return id(strings.Trim(named, "{}"))
	})
}

// acmesID and bravosID are ids that there are; noID looks like acme's, and is nobody's.
func (w *walk) acmesID(collection string) string  { return w.acmes[collection] }
func (w *walk) bravosID(collection string) string { return w.bravos[collection] }

func (w *walk) noID(collection string) string {
	prefix, rest, _ := strings.Cut(w.acmes[collection], "_")
	return prefix + "_" + strings.Repeat("0", len(rest))
}

// send makes a request as somebody. One that has no end of its own, as a stream, is ended after two seconds of the bubble's.
func (w *walk) send(as string, a attempt, company string, id func(string) string) *httptest.ResponseRecorder {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	in := newRequest(request{method: a.method, path: a.fill(a.path, company, id)}, strings.NewReader(a.fill(a.body, company, id))).WithContext(ctx)
	if token := w.tokens[as]; token != "" {
		in.Header.Set("Authorization", "Bearer "+token)
	}
	out, done := httptest.NewRecorder(), make(chan struct{})
	go func() { // joined below
		defer close(done)
		w.h.ServeHTTP(out, in)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		cancel()
		<-done
	}
	return out
}
