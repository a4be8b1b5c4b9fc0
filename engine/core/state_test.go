package core

import (
	"errors"
	"testing"

	"posthorn/ports"
)

// TestDueRowThatReturns: with waits of a nanosecond the attempts of one batch move the due row away from its stored key and back;
// when the call ends in that batch the stored row must go.
func TestDueRowThatReturns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":["1ns","1ns","1ns"]}
		publish {"company":"42","eventType":"x","data":1}`)
	for attempt := 1; attempt <= 4; attempt++ {
		if attempt == 2 {
			w.flush()
		}
		d, err := Judge(w.state, w, w.now, Outcome{
			Company: "42", Call: "call_1", Attempt: attempt, Lease: 1, Epoch: 1, Class: ports.ClassTimeout,
		}, 0, DefaultDisableAfter)
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
	}
	w.flush()
	states := map[named]CallState{}
	w.checkCalls(states)
	if got := states[named{"42", "call_1"}]; got != Failed {
		t.Errorf("call_1 is %s, want %s", got, Failed)
	}
}

// TestDamagedRows: bytes that are no row are reported as damage, by whatever reads them, and never as a missing row or a conflict.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	lines := map[string]struct {
		key    []byte
		decide func(w *world) error
	}{
		"retry, call": {CallKey("42", "call_1"), func(w *world) error {
			_, _, err := RetryCall(w.state, w, w.now, "42", "call_1")
			return err
		}},
		"retry, webhook": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, _, err := RetryCall(w.state, w, w.now, "42", "call_1")
			return err
		}},
		"cancel": {CallKey("42", "call_1"), func(w *world) error {
			_, _, err := CancelCall(w.state, w.now, "42", "call_1")
			return err
		}},
		"fail": {CallKey("42", "call_1"), func(w *world) error {
			_, err := FailCall(w.state, "42", "call_1", TargetRefused)
			return err
		}},
		"judge, call": {CallKey("42", "call_1"), func(w *world) error {
			_, err := Judge(w.state, w, w.now, Outcome{Company: "42", Call: "call_1", Attempt: 2}, 0, DefaultDisableAfter)
			return err
		}},
		"judge, webhook": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, err := Judge(w.state, w, w.now, Outcome{Company: "42", Call: "call_1", Attempt: 1, Lease: 9}, 0, DefaultDisableAfter)
			return err
		}},
		"enable": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, _, err := EnableWebhook(w.state, w.now, "42", "wh_1")
			return err
		}},
		"disable": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, _, err := DisableWebhook(w.state, w.now, "42", "wh_1")
			return err
		}},
		"update": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, _, err := UpdateWebhook(w.state, w, w.now, WebhookEdit{Company: "42", ID: "wh_1"}, nil, nil)
			return err
		}},
		"delete": {WebhookKey("42", "wh_1"), func(w *world) error {
			_, err := DeleteWebhook(w.state, "42", "wh_1")
			return err
		}},
		"publish": {ResourceRowKey("42", "candidate", "cand_1"), func(w *world) error {
			m := NewMessage{Company: "42", EventType: "x", ResourceType: "candidate", ResourceID: "cand_1"}
			_, _, err := Publish(w.state, w, w.now, m, Routing{})
			return err
		}},
		"current": {ResourceRowKey("42", "candidate", "cand_1"), func(w *world) error {
			_, err := CurrentCandidate(w.state, "42", "cand_1")
			return err
		}},
		"edit": {ResourceRowKey("42", "candidate", "cand_1"), func(w *world) error {
			_, _, _, err := DeleteCandidate("42", "cand_1").Decide(w.state, w, w.now, []byte(`{}`), Routing{})
			return err
		}},
		"start": {EngineKey(), func(w *world) error {
			_, _, err := StartEngine(w.state, w)
			return err
		}},
		"plan": {JobKey(JobName(1, 0)), func(w *world) error {
			_, err := ContinuePlan(w.state, w, w.now, JobName(1, 0))
			return err
		}},
		"cancel job": {JobKey(JobName(1, 0)), func(w *world) error {
			_, err := CancelCalls(w.state, JobName(1, 0), nil, true)
			return err
		}},
		"past answer": {IdempotencyKey("42", "r", "k"), func(w *world) error {
			_, _, err := PastAnswer(w.state, w.now, UsedKey{"42", "r", "k"}, "f")
			return err
		}},
		"expire": {IdempotencyKey("42", "r", "k"), func(w *world) error {
			_, err := ExpireKeys(w.state, w.now, []UsedKey{{"42", "r", "k"}})
			return err
		}},
	}
	for name, row := range lines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":[]}
				publish {"company":"42","eventType":"x","data":1}
				judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"class":"timeout"}`)
			w.rows[string(row.key)] = []byte(`{"id":`)
			err := row.decide(w)
			if !errors.Is(err, ports.ErrDamaged) || errors.Is(err, ports.ErrConflict) || errors.Is(err, ports.ErrNotFound) {
				t.Errorf("error is %v, want only %v", err, ports.ErrDamaged)
			}
		})
	}
}

// TestFoldRefuses: events that cannot follow from the rows.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	ended := CallEnded{Company: "42", Call: "call_1"}
	for _, e := range []Event{
		CallAttempted{Company: "42", Call: "call_1"}, CallSucceeded{ended}, CallFailed{ended}, CallSkipped{ended}, CallCancelled{ended},
	} {
		if err := newWorld(t).state.Fold(Recorded{Seq: 7, Event: e}); !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("fold %T of an unknown call: %v, want %v", e, err, ports.ErrDamaged)
		}
	}
	if err := newWorld(t).state.Fold(Recorded{Seq: 7, Event: strange{}}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("fold an event without a rule: %v, want %v", err, errors.ErrUnsupported)
	}
}

type strange struct{}

func (strange) event() {}

// TestReadErrors: what the store reports is passed on as it is.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	fault := errors.New("disk fault")
	s := NewState(func([]byte) ([]byte, error) { return nil, fault })
	if _, _, err := StartEngine(s, newWorld(t)); !errors.Is(err, fault) {
		t.Errorf("start: %v, want %v", err, fault)
	}
	for _, e := range []Event{
		EngineStarted{},
		WebhookRegistered{},
		WebhookUpdated{},
		WebhookEnabled{},
		WebhookDisabled{},
		WebhookDeleted{},
		CandidateCreated{},
		CallsPlanned{Webhooks: []string{"wh_1"}},
		CallAttempted{},
		CallSucceeded{},
		KeyUsed{},
	} {
		if err := s.Fold(Recorded{Seq: 1, Event: e}); !errors.Is(err, fault) {
			t.Errorf("fold %T: %v, want %v", e, err, fault)
		}
	}
}
