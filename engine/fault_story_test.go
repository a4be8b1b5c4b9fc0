package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

var errCrash = errors.New("crash injected by the test")

// A storyteller gives every kind of command once, and remembers what was accepted.
type storyteller struct {
	*bench

	messages map[string]int  // how many calls each accepted message was answered with
	webhooks map[string]bool // registered, and whether a deletion was asked for
	people   map[string]bool // candidates, likewise
	broke    error           // what ended the story early
}

func newStoryteller(b *bench) *storyteller {
	return &storyteller{
		bench: b, messages: map[string]int{}, webhooks: map[string]bool{}, people: map[string]bool{},
	}
}

// gone answers that it is no more, and shaky fails at first: see crashAt.
const (
	goodURL  = receiver + "/good"
	shakyURL = receiver + "/shaky"
	goneURL  = receiver + "/gone"
)

// tell does, one after the other, all that can be asked of an engine. It ends at the first command that is not answered. Between the
// commands time passes, so that attempts, waits, jobs and the expiry of idempotency keys have commits of their own.
func (s *storyteller) tell() {
	var good, shaky, gone engine.Registered
	var person engine.Candidate
	var skipped engine.Message
	steps := []struct {
		name string
		do   func() error
	}{
		{"register", func() (err error) { good, err = s.hook(goodURL, engine.NewWebhook{IdempotencyKey: "good"}); return err }},
		{"register of the seed", func() (err error) {
			_, err = s.hook(receiver+"/seed", engine.NewWebhook{Seed: true, EventTypes: []string{"candidate.created"}})
			return err
		}},
		{"register again", func() (err error) {
			shaky, err = s.hook(shakyURL, engine.NewWebhook{Schedule: []time.Duration{5 * time.Minute, time.Minute}})
			return err
		}},
		{"update webhook", func() error {
			text := "the good one"
			return only(s.UpdateWebhook(s.ctx(), engine.WebhookEdit{Company: "42", ID: good.ID, Description: &text}))
		}},
		{"create candidate", func() (err error) { person, err = s.person(); return err }},
		{"update candidate", func() error {
			return only(s.UpdateCandidate(s.ctx(), "42", person.ID, map[string]any{"location": "Paris"}))
		}},
		{"apply", func() error { return only(s.ApplyForJob(s.ctx(), "42", person.ID, "job_1")) }},
		{"change state", func() error { return only(s.ChangeCandidateState(s.ctx(), "42", person.ID, "hired")) }},
		{"publish", func() error { return only(s.message("1")) }},
		{"publish again", func() error { return only(s.message("1")) }},
		{"cancel", func() error { return s.cancelOne(shaky.ID) }},
		{"disable", func() error { return only(s.DisableWebhook(s.ctx(), "42", good.ID)) }},
		{"publish to a disabled one", func() (err error) { skipped, err = s.message("2"); return err }},
		{"enable", func() error { return only(s.EnableWebhook(s.ctx(), "42", good.ID)) }},
		{"retry", func() error { return s.retryOf(skipped, good.ID) }},
		{"register one that is gone", func() (err error) { gone, err = s.hook(goneURL, engine.NewWebhook{}); return err }},
		{"publish to one that is gone", func() error { return only(s.message("3")) }},
		{"delete webhook", func() error {
			s.webhooks[gone.ID] = true // answered or not
			return s.DeleteWebhook(s.ctx(), "42", gone.ID)
		}},
		{"delete candidate", func() error {
			s.people[person.ID] = true
			return s.DeleteCandidate(s.ctx(), "42", person.ID)
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			s.broke = fmt.Errorf("%s: %w", step.name, err)
			return
		}
		pass(10 * time.Second)
	}
	pass(26 * time.Hour)
}

func (s *storyteller) ctx() context.Context { return context.Background() }

func only[T any](_ T, err error) error { return err }

func (s *storyteller) hook(url string, n engine.NewWebhook) (engine.Registered, error) {
	n.Company, n.URL = "42", url
	if n.EventTypes == nil {
		n.EventTypes = []string{"*"}
	}
	w, err := s.RegisterWebhook(s.ctx(), n)
	if err == nil {
		s.webhooks[w.ID] = false
	}
	return w, err
}

func (s *storyteller) person() (engine.Candidate, error) {
	c, err := s.CreateCandidate(s.ctx(), engine.NewCandidate{
		Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", IdempotencyKey: "ada",
	})
	if err == nil {
		s.people[c.ID] = false
	}
	return c, err
}

func (s *storyteller) message(data string) (engine.Message, error) {
	m, err := s.Publish(s.ctx(), engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(data), IdempotencyKey: data})
	if err == nil {
		s.messages[m.ID] = m.Calls
	}
	return m, err
}

// cancelOne cancels an open call of the webhook.
func (s *storyteller) cancelOne(webhook string) error {
	for c, err := range s.Calls(s.ctx(), engine.CallQuery{Company: "42", State: core.Pending}) {
		if err != nil || c.Webhook != webhook {
			continue
		}
		return only(s.Cancel(s.ctx(), c.ID))
	}
	return ports.ErrNotFound
}

func (s *storyteller) retryOf(m engine.Message, webhook string) error {
	for _, c := range s.calls() {
		if c.Message == m.ID && c.Webhook == webhook {
			return only(s.RetryCall(s.ctx(), "42", c.ID))
		}
	}
	return ports.ErrNotFound
}

// wantAccount fails the test unless nothing that was accepted is missing, every call has ended, and the history and what the receivers
// saw are the same but for attempts that were under way at the one crash.
func (s *storyteller) wantAccount(b *bench) {
	b.t.Helper()
	calls, attempts := map[string]int{}, map[string]int{}
	for _, c := range b.calls() {
		if c.RetryOf == "" {
			calls[c.Message]++
		}
		if c.State.Open() {
			b.t.Errorf("call %+v never ended", c)
		}
		attempts[c.URL+" "+c.Message] += len(b.detail(c.ID).Attempts)
		if c.State != core.Succeeded && c.URL == goodURL && c.AttemptCount > 0 {
			b.t.Errorf("call %+v was answered 200, and has not succeeded", c)
		}
	}
	for m, n := range s.messages {
		if calls[m] != n {
			b.t.Errorf("message %s was accepted with %d calls and has %d", m, n, calls[m])
		}
	}
	seen := map[string]int{}
	for _, r := range b.caller.Requests() {
		seen[r.URL+" "+r.Header["webhook-id"]]++
	}
	for which, n := range attempts {
		if seen[which] < n || seen[which] > n+1 {
			b.t.Errorf("%s was attempted %d times, the history has %d", which, seen[which], n)
		}
		delete(seen, which)
	}
	if len(seen) > 0 {
		b.t.Errorf("attempts that no call knows of: %v", seen)
	}
	s.wantKept(b)
}

// wantKept looks for the webhooks and candidates.
func (s *storyteller) wantKept(b *bench) {
	b.t.Helper()
	for id, deleted := range s.webhooks {
		if _, err := b.Webhook(s.ctx(), "42", id); errors.Is(err, ports.ErrNotFound) && !deleted {
			b.t.Errorf("webhook %s was accepted and is lost", id)
		}
	}
	for id, deleted := range s.people {
		if _, err := b.Candidate(s.ctx(), "42", id); errors.Is(err, ports.ErrNotFound) && !deleted {
			b.t.Errorf("candidate %s was accepted and is lost", id)
		}
	}
}

// wantAllKinds fails the test unless the log of the whole story holds every kind of event that a story can make.
func wantAllKinds(b *bench) {
	b.t.Helper()
	kinds := map[string]bool{}
	for seq := uint64(0); ; {
		events := b.collect(seq, 100)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			kinds[e.Type], seq = true, e.Seq
		}
	}
	want := "EngineStarted WebhookRegistered WebhookUpdated WebhookEnabled WebhookDisabled WebhookDeleted MessagePublished " +
		"CallRequested CallAttempted CallSucceeded CallFailed CallSkipped CallCancelled JobEnded KeyUsed KeysExpired " +
		"CandidateCreated CandidateUpdated CandidateApplied CandidateStateChanged CandidateDeleted"
	for kind := range strings.FieldsSeq(want) {
		if !kinds[kind] {
			b.t.Errorf("the story has no %s; it has %v", kind, fmt.Sprint(kinds))
		}
	}
}

// rehearse sets the receivers' answers.
func (b *bench) rehearse() {
	b.caller.Script(shakyURL, status(http.StatusInternalServerError), status(http.StatusInternalServerError))
	gone := status(http.StatusGone)
	gone.Keep = true
	b.caller.Script(goneURL, gone)
}
