package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
)

// wantRouted fails the test unless the newest message made calls in these states, by the filter of their webhook.
func (b *bench) wantRouted(filters map[string]string, want string) {
	b.t.Helper()
	pass(0)
	calls := b.calls()
	var got []string
	for _, c := range calls {
		if c.Message == calls[0].Message {
			got = append([]string{strings.TrimSuffix(fmt.Sprintf("%s %s: %s", filters[c.Webhook], c.State, c.Reason), ": ")}, got...)
		}
	}
	if text := strings.Join(got, "; "); text != want {
		b.t.Errorf("calls are %s, want %s", text, want)
	}
}

func (b *bench) filtered(filters ...string) map[string]string {
	b.t.Helper()
	ids := map[string]string{}
	for _, f := range filters {
		w := b.register(engine.NewWebhook{Filter: f, EventTypes: []string{"invoice.*", "candidate.*"}, Schedule: []time.Duration{}})
		ids[w.ID] = f
	}
	return ids
}

// TestFiltersDecideWhoIsCalled: by the message's data, by the resource in the version that is told, and visibly where a filter has no answer.
func TestFiltersDecideWhoIsCalled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		ids := b.filtered(`data.amount > 5`, `data.amount < 5`, `eventType == "invoice.paid"`, `resource.location == "London"`)
		b.publish(`{"amount":7}`)
		b.wantRouted(ids, `data.amount > 5 succeeded; eventType == "invoice.paid" succeeded; resource.location == "London" skipped: filter failed`)
		b.publish(`{"amount":"much"}`)
		b.wantRouted(ids, `data.amount > 5 skipped: filter failed; data.amount < 5 skipped: filter failed; eventType == "invoice.paid" succeeded; `+
			`resource.location == "London" skipped: filter failed`)
		c := b.candidate()
		b.wantRouted(ids, `data.amount > 5 skipped: filter failed; data.amount < 5 skipped: filter failed; resource.location == "London" succeeded`)
		if _, err := b.UpdateCandidate(t.Context(), "42", c.ID, map[string]any{"location": "Paris"}); err != nil {
			t.Fatal(err)
		}
		b.wantRouted(ids, `data.amount > 5 skipped: filter failed; data.amount < 5 skipped: filter failed`)
		m, err := b.Publish(t.Context(), engine.NewMessage{
			Company: "42", EventType: "invoice.sent", Data: []byte(`{"amount":7}`), ResourceType: "candidate", ResourceID: c.ID,
		})
		if err != nil || m.Calls != 1 {
			t.Errorf("message = %+v, %v; want one call", m, err)
		}
		if _, err := b.UpdateCandidate(t.Context(), "42", c.ID, map[string]any{"location": "London"}); err != nil {
			t.Fatal(err)
		}
		b.wantRouted(ids, `data.amount > 5 skipped: filter failed; data.amount < 5 skipped: filter failed; resource.location == "London" succeeded`)
	})
}

// TestFiltersThatAreRefused: a registration and an update alike.
func TestFiltersThatAreRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		for _, f := range []string{`data.`, `data.amount`, `1 + 1`, `"x"`, `unknown(1)`, strings.Repeat("a", 2000)} {
			_, err := b.RegisterWebhook(t.Context(), engine.NewWebhook{Company: "42", URL: receiver, EventTypes: []string{"*"}, Filter: f})
			_, updateErr := b.UpdateWebhook(t.Context(), engine.WebhookEdit{Company: "42", ID: w.ID, Filter: &f})
			for _, err := range []error{err, updateErr} {
				if invalid, ok := errors.AsType[*engine.InvalidError](err); f != `data.amount` && (!ok || invalid.Problems[0].Field != "filter") {
					t.Errorf("filter %q: %v, want it refused", f, err)
				}
			}
		}
	})
}

// TestFilteredMessagesWithKeys: a message that is repeated has its first answer, whatever its filters would say now.
func TestFilteredMessagesWithKeys(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{Filter: `data.n == 1`})
		n := engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(`{"n":1}`), IdempotencyKey: "k"}
		first, err := b.Publish(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.UpdateWebhook(t.Context(), engine.WebhookEdit{Company: "42", ID: w.ID, Filter: new(`data.n == 2`)}); err != nil {
			t.Fatal(err)
		}
		again, err := b.Publish(t.Context(), n)
		if err != nil || again.ID != first.ID || again.Calls != 1 {
			t.Errorf("again %+v, %v; want %+v", again, err, first)
		}
		pass(0)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// TestInboxIsFilteredToo: what comes over the bus is judged as what is published.
func TestInboxIsFilteredToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		bus := goBus()
		b := open(t, func(o *engine.Options) { o.Inbox, o.Bus = true, bus })
		defer b.close()
		ids := b.filtered(`data.amount > 5`, `data.amount < 5`, `data.missing`)
		e := ports.Envelope{ID: "env-1", Body: []byte(`{"company":"42","message":{"eventType":"invoice.paid","data":{"amount":7}}}`)}
		if err := bus.Publish(t.Context(), inboxTopic, e); err != nil {
			t.Fatal(err)
		}
		b.wantRouted(ids, `data.amount > 5 succeeded; data.missing skipped: filter failed`)
	})
}

// A watched store tells when a caller of the engine, and not its writer, reads: as it does to judge filters by a resource. The caller is known
// by its context.
type watched struct {
	ports.Store

	judging atomic.Pointer[func()]
}

type callers struct{}

func (s *watched) View(ctx context.Context, read func(ports.Reader) error) error {
	if f := s.judging.Load(); f != nil && ctx.Value(callers{}) != nil {
		(*f)()
	}
	return s.Store.View(ctx, read)
}

func (s *watched) onJudging(f func()) { s.judging.Store(&f) }

// aboutCandidate publishes a message whose filters look at a resource.
func (b *bench) aboutCandidate(id string) (engine.Message, error) {
	ctx := context.WithValue(context.Background(), callers{}, true)
	return b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "invoice.sent", ResourceType: "candidate", ResourceID: id})
}

// TestChangedWhileItsFiltersAreJudged: the verdicts are of the version that is told. What changes again and again is refused in the end.
func TestChangedWhileItsFiltersAreJudged(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]error{0: nil, 3: nil, 7: nil, 8: ports.ErrOverloaded, 100: ports.ErrOverloaded} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				store := &watched{Store: memstore.New()}
				b := open(t, func(o *engine.Options) { o.Store = store })
				defer b.close()
				c := b.candidate()
				b.invoices(engine.NewWebhook{Filter: `resource.n == ` + fmt.Sprint(times)})
				if _, err := b.UpdateCandidate(t.Context(), "42", c.ID, map[string]any{"n": 0}); err != nil {
					t.Fatal(err)
				}
				judged := 0
				store.onJudging(func() {
					if judged++; judged <= times {
						if _, err := b.UpdateCandidate(context.Background(), "42", c.ID, map[string]any{"n": judged}); err != nil {
							t.Error(err)
						}
					}
				})
				m, err := b.aboutCandidate(c.ID)
				wantErr(t, err, want)
				if want == nil && m.Calls != 1 {
					t.Errorf("message = %+v; want the call that the newest version asks for", m)
				}
				pass(0)
				if n := len(b.caller.Requests()); (n == 1) != (want == nil) {
					t.Errorf("%d attempts", n)
				}
			})
		})
	}
}

// TestFiltersAreJudgedByWhoPublishes: while one publisher's filters are being judged, for as long as it takes, the writer goes on with
// everybody else's commands. Judged by the writer, this test would end in a deadlock.
func TestFiltersAreJudgedByWhoPublishes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &watched{Store: memstore.New()}
		b := open(t, func(o *engine.Options) { o.Store = store })
		defer b.close()
		c := b.candidate()
		b.invoices(engine.NewWebhook{Filter: `resource.location == "London"`})
		release := make(chan struct{})
		store.onJudging(func() { <-release })
		done := make(chan error, 1)
		go func() {
			_, err := b.aboutCandidate(c.ID)
			done <- err
		}()
		pass(0)
		for range 100 {
			if _, err := b.Publish(t.Context(), engine.NewMessage{Company: "other", EventType: "x", Data: []byte("1")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.UpdateCandidate(t.Context(), "42", c.ID, map[string]any{"location": "London"}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("the message was accepted before its filters were judged: %v", err)
		default:
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		pass(0)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// TestHostileFiltersHarmOnlyTheirCompany: 200 filters that reach their limit end in it, are seen, and let others' messages through.
func TestHostileFiltersHarmOnlyTheirCompany(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		for i := range 200 {
			b.register(engine.NewWebhook{
				EventTypes: []string{"invoice.*"}, Filter: fmt.Sprintf("data.exists(x, x == %d)", i+10), URL: fmt.Sprintf("%s/%d", receiver, i),
			})
		}
		many, err := json.Marshal(make([]int, 20_000))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 3 {
				b.publish(string(many))
			}
		}()
		for range 50 {
			if _, err := b.Publish(t.Context(), engine.NewMessage{Company: "other", EventType: "x", Data: []byte("1")}); err != nil {
				t.Error(err)
			}
		}
		<-done
		pass(0)
		b.wantStates(map[string]int{"skipped: filter failed": 600})
		if n := len(b.caller.Requests()); n != 0 {
			t.Errorf("%d attempts, want none", n)
		}
	})
}
