package httpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/httpclient"
	"posthorn/adapters/memstore"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sesame"

// A bench is an engine in memory behind its API, mounted under a prefix, and a client of it.
type bench struct {
	*httpclient.Client
	engine *engine.Engine
	caller *portstest.ScriptedCaller
	server *httptest.Server
}

func open(t *testing.T) *bench {
	t.Helper()
	channel := gochannel.New()
	b := &bench{caller: portstest.NewScriptedCaller()}
	e, err := engine.Open(t.Context(), engine.Options{
		Store: memstore.New(), Bus: watermillbus.New(channel, channel, watermillbus.Options{}), Caller: b.caller,
		Key: engine.NewKey([engine.KeyBytes]byte{1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.engine = e
	b.Client, b.server = serve(t, e)
	t.Cleanup(func() {
		b.server.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func serve(t *testing.T, e httpapi.Engine) (*httpclient.Client, *httptest.Server) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/a/b/", http.StripPrefix("/a/b", httpapi.Handler(e, httpapi.Options{Authorize: httpapi.APIKey(key), Version: "test"})))
	server := httptest.NewServer(mux)
	return client(t, server.URL+"/a/b/", server.Client()), server
}

func client(t *testing.T, base string, with *http.Client) *httpclient.Client {
	t.Helper()
	c, err := httpclient.New(base, httpclient.Options{Key: key, HTTP: with})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ok fails the test on an error.
func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-engine +client):\n%s", what, diff)
	}
}

const company = "a/b..ü"

func TestCandidates(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	n := engine.NewCandidate{
		Company: company, Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", IdempotencyKey: "key-1",
		Fields: map[string]any{"location": "London", "n": json.RawMessage("12345678901234567890")},
	}
	made := ok(b.CreateCandidate(ctx, n))(t)
	same(t, "made", ok(b.engine.Candidate(ctx, company, made.ID))(t), made)
	if again := ok(b.CreateCandidate(ctx, n))(t); again.ID != made.ID {
		t.Errorf("the key did not hold: %s and %s", made.ID, again.ID)
	}
	ok(b.UpdateCandidate(ctx, company, made.ID, map[string]any{"location": nil, "city": "Paris"}))(t)
	ok(b.ApplyForJob(ctx, company, made.ID, "engineer"))(t)
	last := ok(b.ChangeCandidateState(ctx, company, made.ID, "hired"))(t)
	same(t, "changed", ok(b.engine.Candidate(ctx, company, made.ID))(t), ok(b.Candidate(ctx, company, made.ID))(t))
	if last.Version != 4 {
		t.Errorf("version %d after three changes", last.Version)
	}
	same(t, "list", ok(b.engine.Candidates(ctx, engine.ListQuery{Company: company}))(t), ok(b.Candidates(ctx, engine.ListQuery{Company: company}))(t))
	if err := b.DeleteCandidate(ctx, company, made.ID); err != nil {
		t.Fatal(err)
	}
}

// ended waits, by the client's own stream, until n calls have ended.
func (b *bench) ended(t *testing.T, n int) {
	t.Helper()
	for event, err := range b.FollowCompany(t.Context(), company, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"CallSucceeded", "CallFailed"}, event.Type) {
			n--
		}
		if n == 0 {
			return
		}
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	const failing = "https://receiver.example/failing"
	b.caller.Script(failing, portstest.ScriptedReply{Keep: true, Reply: ports.Reply{
		Status: 500, Class: ports.ClassStatus, Error: "the receiver answered 500; see its log", Body: []byte("no"),
	}})
	for _, url := range []string{"https://receiver.example/hook", failing} {
		ok(b.RegisterWebhook(ctx, engine.NewWebhook{Company: company, URL: url, EventTypes: []string{"invoice.paid"}, Schedule: []time.Duration{}}))(t)
	}
	message := ok(b.Publish(ctx, engine.NewMessage{Company: company, EventType: "invoice.paid", Data: json.RawMessage(`{"n": 1}`)}))(t)
	if message.Calls != 2 {
		t.Errorf("message %+v", message)
	}
	b.ended(t, 2)
	for state, count := range map[engine.CallState]int{"": 2, "succeeded": 1, "failed": 1, "pending": 0} {
		got := 0
		for call, err := range b.Calls(ctx, engine.CallQuery{Company: company, State: state, Limit: 1, Since: message.CreatedAt}) { // pages of one
			if err != nil {
				t.Fatal(err)
			}
			got++
			want := ok(b.engine.Call(ctx, company, call.ID))(t)
			same(t, call.ID, want.Call, call)
			same(t, call.ID+" in detail", want, ok(b.Call(ctx, company, call.ID))(t))
		}
		if got != count {
			t.Errorf("%d calls in state %q, not %d", got, state, count)
		}
	}
	for name, q := range map[string]engine.CallQuery{
		"since": {Since: message.CreatedAt.Add(time.Millisecond)}, "until": {Until: message.CreatedAt},
		"webhook": {Webhook: "wh_9"}, "event type": {EventType: "invoice.lost"},
	} {
		if q.Company = company; len(ok(b.CallPage(ctx, q))(t).Items) > 0 {
			t.Errorf("%s did not filter", name)
		}
	}
	failed := ok(b.CallPage(ctx, engine.CallQuery{Company: company, State: "failed"}))(t).Items[0]
	again := ok(b.RetryCall(ctx, company, failed.ID))(t)
	if again.RetryOf != failed.ID || again.Message != failed.Message {
		t.Errorf("again %+v", again)
	}
	b.ended(t, 3)
	if _, err := b.CancelCall(ctx, company, again.ID); !errors.Is(err, ports.ErrConflict) {
		t.Errorf("cancel an ended call: %v", err)
	}
	history := ok(b.History(ctx, engine.ListQuery{Company: company, Limit: 1}))(t)
	if len(history.Items) != 1 || history.Next == "" || history.Items[0].PK != again.ID || history.Items[0].Status != "failed" {
		t.Errorf("history %+v", history)
	}
	if none := ok(b.History(ctx, engine.ListQuery{Company: "nobody"}))(t); len(none.Items) != 0 {
		t.Errorf("nobody's history %+v", none)
	}
	for _, err := range b.Calls(ctx, engine.CallQuery{Company: company, Limit: 1}) {
		if err != nil {
			t.Error(err)
		}
		break // a reader may stop
	}
}

func TestSeedWebhookIsOneForAPair(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	n := engine.NewWebhook{Company: "42", URL: "https://receiver.example", EventTypes: []string{"candidate.created"}, Seed: true}
	if w := ok(b.RegisterWebhook(ctx, n))(t); !w.Seed || len(w.Schedule) != 2 {
		t.Errorf("registered %+v", w)
	}
	if _, err := b.RegisterWebhook(ctx, n); !errors.Is(err, ports.ErrConflict) {
		t.Errorf("again: %v", err)
	}
}

// What the engine refuses, the client refuses with the same problems.
func TestSameProblems(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	bad := "\x01"
	type api interface {
		RegisterWebhook(ctx context.Context, n engine.NewWebhook) (engine.Registered, error)
		CreateCandidate(ctx context.Context, n engine.NewCandidate) (engine.Candidate, error)
		UpdateCandidate(ctx context.Context, company, id string, fields map[string]any) (engine.Candidate, error)
		ApplyForJob(ctx context.Context, company, id, job string) (engine.Candidate, error)
		Publish(ctx context.Context, n engine.NewMessage) (engine.Message, error)
		CallPage(ctx context.Context, q engine.CallQuery) (engine.Page[engine.Call], error)
		Webhook(ctx context.Context, company, id string) (engine.Webhook, error)
	}
	for name, try := range map[string]func(api) error{
		"webhook": func(a api) error {
			_, err := a.RegisterWebhook(ctx, engine.NewWebhook{Company: "42", URL: "ftp://x", EventTypes: []string{"a b"}, Timeout: time.Hour})
			return err
		},
		"no event types": func(a api) error {
			_, err := a.RegisterWebhook(ctx, engine.NewWebhook{Company: "42", URL: "https://receiver.example"})
			return err
		},
		"company": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{Company: bad, EventType: "a", Data: json.RawMessage("1")})
			return err
		},
		"no company": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{EventType: "a", Data: json.RawMessage("1")})
			return err
		},
		"idempotency key": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{
				Company: "42", EventType: "a", Data: json.RawMessage("1"), IdempotencyKey: fmt.Sprintf("%0256d", 1),
			})
			return err
		},
		"data": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a b"})
			return err
		},
		"no JSON": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a", Data: json.RawMessage("{")})
			return err
		},
		"half a resource": func(a api) error {
			_, err := a.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a", ResourceID: "x"})
			return err
		},
		"candidate": func(a api) error {
			_, err := a.CreateCandidate(ctx, engine.NewCandidate{Company: "42", Email: "x"})
			return err
		},
		"no change": func(a api) error {
			_, err := a.UpdateCandidate(ctx, "42", "cand_1", nil)
			return err
		},
		"job": func(a api) error {
			_, err := a.ApplyForJob(ctx, "42", "cand_1", "")
			return err
		},
		"cursor": func(a api) error {
			_, err := a.CallPage(ctx, engine.CallQuery{Company: "42", Cursor: "!"})
			return err
		},
	} {
		var want, got *engine.InvalidError
		if err := try(b.engine); !errors.As(err, &want) {
			t.Fatalf("%s: the engine gave %v", name, err)
		}
		if err := try(b.Client); !errors.As(err, &got) {
			t.Errorf("%s: the client gave %v", name, err)
			continue
		}
		byField := func(a, b engine.Problem) int { return strings.Compare(a.Field+a.Text, b.Field+b.Text) }
		slices.SortFunc(want.Problems, byField)
		slices.SortFunc(got.Problems, byField)
		same(t, name, want.Problems, got.Problems)
	}
	if _, err := b.Webhook(ctx, "42", ""); !errors.As(err, new(*engine.InvalidError)) {
		t.Errorf("no id: %v", err)
	}
}

func TestEventsPageAndFollow(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	for i := range 3 {
		ok(b.Publish(ctx, engine.NewMessage{Company: strconv.Itoa(i), EventType: "a", Data: json.RawMessage("1")}))(t)
	}
	page := ok(b.Events(ctx, engine.EventQuery{Company: "1", Type: "MessagePublished", Limit: 2, After: 1}))(t)
	same(t, "events", ok(b.engine.Events(ctx, engine.EventQuery{Company: "1", Type: "MessagePublished", Limit: 2, After: 1}))(t), page)
	if len(page.Items) != 1 {
		t.Errorf("page %+v", page)
	}
	last := ok(b.engine.LastSeq(ctx))(t)
	following, stop := context.WithCancel(ctx)
	defer stop()
	var seen []uint64
	for event, err := range b.Follow(following, last-2) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, event.Seq)
		switch event.Seq {
		case last: // the past has been told; now something happens
			ok(b.Publish(ctx, engine.NewMessage{Company: "9", EventType: "a", Data: json.RawMessage("1")}))(t)
		case last + 2:
			stop() // ends it without an error
		}
	}
	same(t, "seen", []uint64{last - 1, last, last + 1, last + 2}, seen)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	if version := ok(b.Health(ctx))(t); version != "test" {
		t.Errorf("version %q", version)
	}
	if err := b.Ready(ctx); err != nil {
		t.Error(err)
	}
	if err := b.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(ctx); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
