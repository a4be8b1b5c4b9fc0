package httpapi_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"posthorn/adapters/httpapi"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A memory is an Engine that keeps all in maps. It checks commands with the core's own checks; what it stores is simple, and its
// clock and ids are counted, so that answers can stand in goldens.
type memory struct {
	mu         sync.Mutex
	ids        int
	webhooks   []engine.Webhook
	candidates []engine.Candidate
	keys       []engine.APIKey
	calls      []engine.HistoryRow
	replays    []engine.Replay
	attempts   []engine.Attempt // of a test call
	events     []engine.Event
	changed    chan struct{} // closed and replaced with each event
	fail       error         // what every command answers, if it is set
	waits      error         // why calls wait
	asked      []any         // commands and queries, in order
}

var _ httpapi.Engine = (*memory)(nil)

func newMemory() *memory { return &memory{changed: make(chan struct{})} }

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func (m *memory) id(prefix string) string { m.ids++; return prefix + strconv.Itoa(m.ids) }

// begin locks, and notes what was asked.
func (m *memory) begin(asked any) error {
	m.mu.Lock()
	m.asked = append(m.asked, asked)
	return m.fail
}

func (m *memory) tell(kind string, data any) {
	raw, _ := json.Marshal(data)
	m.events = append(m.events, engine.Event{Seq: uint64(len(m.events) + 1), At: epoch, Type: kind, Data: raw})
	close(m.changed)
	m.changed = make(chan struct{})
}

func missing(what, id string) error {
	return fmt.Errorf("%s %q: %w; list what there is, or check the company", what, id, ports.ErrNotFound)
}

func (m *memory) RegisterWebhook(_ context.Context, n engine.NewWebhook) (engine.Registered, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.Registered{}, err
	}
	w, err := n.Check(core.DefaultPolicy())
	if err != nil {
		return engine.Registered{}, err
	}
	for _, other := range m.webhooks {
		if w.Seed && other.Seed && other.Company == w.Company && slices.Equal(other.EventTypes, w.EventTypes) {
			return engine.Registered{}, fmt.Errorf("company %q has one already (%w)", w.Company, ports.ErrConflict)
		}
	}
	w.ID, w.CreatedAt, w.UpdatedAt = m.id("wh_"), epoch, epoch
	m.webhooks = append(m.webhooks, w)
	m.tell("WebhookRegistered", map[string]any{"webhook": w.ID, "company": w.Company})
	return engine.Registered{Webhook: w, Secret: "whsec_c2VjcmV0"}, nil
}

func (m *memory) webhook(company, id string) (*engine.Webhook, error) {
	i := slices.IndexFunc(m.webhooks, func(w engine.Webhook) bool { return w.Company == company && w.ID == id })
	if i < 0 {
		return &engine.Webhook{}, missing("webhook", id)
	}
	return &m.webhooks[i], nil
}

func (m *memory) Webhook(_ context.Context, company, id string) (engine.Webhook, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.Webhook{}, err
	}
	w, err := m.webhook(company, id)
	return *w, err
}

func page[T any](all []T, limit int, cursor string) (engine.Page[T], error) {
	from := 0
	if cursor != "" {
		var err error
		if from, err = strconv.Atoi(cursor); err != nil {
			return engine.Page[T]{}, invalid("cursor", fmt.Sprintf("cursor %q is refused; it is not one of ours; leave it out", cursor))
		}
	}
	end := min(from+cmp.Or(limit, engine.DefaultLimit), len(all))
	out := engine.Page[T]{Items: all[min(from, end):end]}
	if end < len(all) {
		out.Next = strconv.Itoa(end)
	}
	return out, nil
}

func invalid(field, text string) error {
	return &engine.InvalidError{Problems: []engine.Problem{{Field: field, Text: text}}}
}

func (m *memory) Webhooks(_ context.Context, q engine.ListQuery) (engine.Page[engine.Webhook], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.Webhook]{}, err
	}
	return page(m.webhooks, q.Limit, q.Cursor)
}

func (m *memory) UpdateWebhook(_ context.Context, e engine.WebhookEdit) (engine.Webhook, error) {
	defer m.mu.Unlock()
	if err := m.begin(e); err != nil {
		return engine.Webhook{}, err
	}
	w, err := m.webhook(e.Company, e.ID)
	if e.URL != nil && err == nil {
		w.URL = *e.URL
	}
	return *w, err
}

func (m *memory) PauseWebhook(_ context.Context, company, id string) (engine.Webhook, error) {
	return m.paused(company, id, true)
}

func (m *memory) ResumeWebhook(_ context.Context, company, id string) (engine.Webhook, error) {
	return m.paused(company, id, false)
}

func (m *memory) paused(company, id string, paused bool) (engine.Webhook, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.Webhook{}, err
	}
	w, err := m.webhook(company, id)
	w.Paused = paused
	return *w, err
}

func (m *memory) RotateSecret(_ context.Context, r engine.Rotation) (engine.Registered, error) {
	defer m.mu.Unlock()
	if err := m.begin(r); err != nil {
		return engine.Registered{}, err
	}
	overlap := core.DefaultOverlap
	if r.Overlap != nil {
		overlap = *r.Overlap
	}
	if err := core.CheckRotation(r.Secret, overlap); err != nil {
		return engine.Registered{}, err
	}
	w, err := m.webhook(r.Company, r.ID)
	if err != nil {
		return engine.Registered{}, err
	}
	w.OldSecrets = []core.OldSecret{{Until: core.StampOf(epoch.Add(overlap))}}
	return engine.Registered{Webhook: *w, Secret: cmp.Or(r.Secret, "whsec_bmV3")}, nil
}

// TestWebhook answers with the first of the calls.
func (m *memory) TestWebhook(ctx context.Context, company, id string) (engine.CallDetail, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.CallDetail{}, err
	}
	if _, err := m.webhook(company, id); err != nil {
		return engine.CallDetail{}, err
	}
	if until, ok := ctx.Deadline(); !ok || time.Until(until) > time.Minute {
		return engine.CallDetail{}, fmt.Errorf("a test of 15 s at the most must not wait until %v", until)
	}
	return engine.CallDetail{Call: m.calls[0].Call, Attempts: m.attempts}, nil
}

func (m *memory) able(company, id string, enabled bool) (engine.Webhook, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.Webhook{}, err
	}
	w, err := m.webhook(company, id)
	w.Enabled = enabled
	return *w, err
}

func (m *memory) EnableWebhook(_ context.Context, company, id string) (engine.Webhook, error) {
	return m.able(company, id, true)
}

func (m *memory) DisableWebhook(_ context.Context, company, id string) (engine.Webhook, error) {
	return m.able(company, id, false)
}

func (m *memory) DeleteWebhook(_ context.Context, company, id string) error {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return err
	}
	w, err := m.webhook(company, id)
	if err == nil {
		w.Company = "deleted"
	}
	return err
}

func (m *memory) CreateCandidate(_ context.Context, n engine.NewCandidate) (engine.Candidate, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.Candidate{}, err
	}
	if _, err := n.Check(); err != nil {
		return engine.Candidate{}, err
	}
	profile := map[string]any{"email": n.Email, "firstName": n.FirstName, "lastName": n.LastName}
	maps.Copy(profile, n.Fields)
	raw, err := json.Marshal(profile)
	if err != nil {
		return engine.Candidate{}, err
	}
	c := engine.Candidate{ID: m.id("cand_"), Company: n.Company, Version: 1, Profile: raw, CreatedAt: epoch, UpdatedAt: epoch}
	m.candidates = append(m.candidates, c)
	m.tell("CandidateCreated", map[string]any{"id": c.ID, "company": c.Company})
	return c, nil
}

func (m *memory) candidate(company, id string) (*engine.Candidate, error) {
	i := slices.IndexFunc(m.candidates, func(c engine.Candidate) bool { return c.Company == company && c.ID == id })
	if i < 0 {
		return &engine.Candidate{}, missing("candidate", id)
	}
	return &m.candidates[i], nil
}

func (m *memory) Candidate(_ context.Context, company, id string) (engine.Candidate, error) {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return engine.Candidate{}, err
	}
	c, err := m.candidate(company, id)
	return *c, err
}

func (m *memory) Candidates(_ context.Context, q engine.ListQuery) (engine.Page[engine.Candidate], error) {
	defer m.mu.Unlock()
	if err := m.begin(q); err != nil {
		return engine.Page[engine.Candidate]{}, err
	}
	return page(m.candidates, q.Limit, q.Cursor)
}

// change merges fields into a profile.
func (m *memory) change(company, id string, asked any, fields map[string]any) (engine.Candidate, error) {
	defer m.mu.Unlock()
	if err := m.begin(asked); err != nil {
		return engine.Candidate{}, err
	}
	c, err := m.candidate(company, id)
	if err != nil {
		return *c, err
	}
	profile := map[string]any{}
	if err := json.Unmarshal(c.Profile, &profile); err != nil {
		return *c, err
	}
	maps.Copy(profile, fields)
	c.Version++
	c.Profile, err = json.Marshal(profile)
	return *c, err
}

func (m *memory) UpdateCandidate(_ context.Context, company, id string, fields map[string]any) (engine.Candidate, error) {
	if _, err := core.UpdateCandidate(company, id, fields); err != nil {
		return engine.Candidate{}, err
	}
	return m.change(company, id, fields, fields)
}

func (m *memory) ApplyForJob(_ context.Context, company, id, job string) (engine.Candidate, error) {
	if _, err := core.ApplyForJob(company, id, job); err != nil {
		return engine.Candidate{}, err
	}
	return m.change(company, id, job, map[string]any{"applications": []string{job}})
}

func (m *memory) ChangeCandidateState(_ context.Context, company, id, state string) (engine.Candidate, error) {
	if _, err := core.ChangeCandidateState(company, id, state); err != nil {
		return engine.Candidate{}, err
	}
	return m.change(company, id, state, map[string]any{"state": state})
}

func (m *memory) DeleteCandidate(_ context.Context, company, id string) error {
	defer m.mu.Unlock()
	if err := m.begin(id); err != nil {
		return err
	}
	c, err := m.candidate(company, id)
	if err == nil {
		c.Company = "deleted"
	}
	return err
}

func (m *memory) EraseCandidate(ctx context.Context, company, id string) error {
	return m.DeleteCandidate(ctx, company, id)
}

func (m *memory) EraseMessage(_ context.Context, _, id string) error {
	defer m.mu.Unlock()
	return m.begin("erase " + id)
}

func (m *memory) Publish(_ context.Context, n engine.NewMessage) (engine.Message, error) {
	defer m.mu.Unlock()
	if err := m.begin(n); err != nil {
		return engine.Message{}, err
	}
	n, err := n.Check()
	if err != nil {
		return engine.Message{}, err
	}
	out := engine.Message{ID: m.id("msg_"), Company: n.Company, EventType: n.EventType, CreatedAt: epoch, Calls: len(m.webhooks)}
	m.tell("MessagePublished", map[string]any{"message": out.ID, "company": n.Company})
	return out, nil
}

// last returns what was asked last.
func (m *memory) last() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[len(m.asked)-1]
}

// newCall is an ended or open call of company 42.
func newCall(id string, state engine.CallState) engine.HistoryRow {
	return engine.HistoryRow{
		Call: engine.Call{
			ID: id, Company: "42", Webhook: "wh_1", Message: "msg_1", EventType: "candidate.created", URL: "https://example.com/hook",
			State: state, CreatedAt: epoch, UpdatedAt: epoch,
		},
		Body: json.RawMessage(`{"type":"candidate.created","resource":{"about":"<b>&"},"resourceId":"cand_1"}`),
	}
}

func serve(e httpapi.Engine) http.Handler {
	return httpapi.Handler(e, httpapi.Options{Authorize: httpapi.AllowAll, Version: "test"})
}
