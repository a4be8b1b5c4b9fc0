package core

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn/ports"
)

// TestCancelCallsLooksAgain: the engine finds a job's calls in a snapshot; one that has ended since keeps its end.
func TestCancelCallsLooksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["*"]}
		repeat 2 publish {"company":"42","eventType":"x","data":1}
		delete {"company":"42","id":"wh_1"}`)
	job, err := load[Job](w.state, JobKey(JobName(w.seq, 0)))
	if err != nil || job == nil {
		t.Fatalf("no job: %v", err)
	}
	found := append(w.open(*job.Cancel), Due{Company: "42", Call: "call_unknown"})
	w.script(`judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"status":200}`)
	d, err := CancelCalls(w.state, job.Name, found, true)
	want := []Event{
		CallCancelled{CallEnded{Call: "call_2", Company: "42", Reason: WebhookIsDeleted}},
		JobEnded{Job: job.Name},
	}
	if diff := cmp.Diff(want, d.Events); err != nil || diff != "" {
		t.Errorf("decided otherwise (%v) (-want +got):\n%s", err, diff)
	}
	w.rows[string(CallKey("42", "call_2"))] = []byte("{")
	if _, err := CancelCalls(w.newState(), job.Name, found, true); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a damaged call: %v, want %v", err, ports.ErrDamaged)
	}
}

// TestJobsOfTheOtherKind: a step that is asked of the wrong kind of job, or of none, decides nothing.
func TestJobsOfTheOtherKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["*"]}
		CallsPlanned {"message":"msg_1","company":"42","eventType":"x","webhooks":["wh_1"]}
		delete {"company":"42","id":"wh_1"}`)
	plan, cancel := w.jobs[0], w.jobs[1]
	for _, name := range []string{cancel, "unknown"} {
		if d, err := ContinuePlan(w.state, w, w.now, name); err != nil || len(d.Events) > 0 {
			t.Errorf("continue the plan %s: %+v, %v; want nothing", name, d, err)
		}
	}
	for _, name := range []string{plan, "unknown"} {
		if d, err := CancelCalls(w.state, name, nil, true); err != nil || len(d.Events) > 0 {
			t.Errorf("cancel the calls of %s: %+v, %v; want nothing", name, d, err)
		}
	}
	for what, row := range map[string][]byte{"missing": nil, "damaged": []byte("{")} {
		delete(w.rows, string(WebhookKey("42", "wh_1")))
		if row != nil {
			w.rows[string(WebhookKey("42", "wh_1"))] = row
		}
		if d, err := ContinuePlan(w.newState(), w, w.now, plan); !errors.Is(err, ports.ErrDamaged) || len(d.Events) > 0 {
			t.Errorf("a plan with a webhook that is %s: %+v, %v; want %v", what, d, err, ports.ErrDamaged)
		}
	}
}

// TestPlanIsCutIntoJobs: what is planned for later is done in jobs of at most StepCalls calls, each webhook once.
func TestPlanIsCutIntoJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const later = 3*StepCalls + 7
	const webhooks = PlanChunk + later
	for range webhooks { // in one batch, which is quick
		d, _, err := w.command("register", []byte(`{"company":"42","url":"https://a.example/","eventTypes":["*"]}`))
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
	}
	w.script(`publish {"company":"42","eventType":"x","data":1}`)
	if len(w.calls) != PlanChunk || len(w.jobs) != 4 {
		t.Fatalf("acceptance made %d calls and %d jobs, want %d and 4", len(w.calls), len(w.jobs), PlanChunk)
	}
	for _, name := range w.jobs {
		before := len(w.calls)
		d, err := ContinuePlan(w.state, w, w.now, name)
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
		w.flush()
		if made := len(w.calls) - before; made > StepCalls {
			t.Errorf("a job made %d calls, the most is %d", made, StepCalls)
		}
	}
	w.checkCalls(map[named]CallState{})
	called := map[string]int{}
	for _, n := range w.calls {
		row, err := w.state.call(n.company, n.id)
		if err != nil {
			t.Fatal(err)
		}
		called[row.Webhook]++
	}
	if len(w.calls) != webhooks || len(called) != webhooks {
		t.Errorf("%d calls of %d webhooks, want %d", len(w.calls), len(called), webhooks)
	}
}

// TestStateWebhook: the batch sees what it has changed so far.
func TestStateWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, _, err := w.command("register", []byte(`{"company":"42","url":"https://a.example/","eventTypes":["*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, exists, err := w.state.Webhook("42", "wh_1"); exists || err != nil {
		t.Errorf("before it is folded the webhook exists: %v, %v", exists, err)
	}
	w.record(d)
	if got, exists, err := w.state.Webhook("42", "wh_1"); !exists || err != nil || got.ID != "wh_1" {
		t.Errorf("after it is folded: %+v, %v, %v", got, exists, err)
	}
	d, err = DeleteWebhook(w.state, "42", "wh_1")
	if err != nil {
		t.Fatal(err)
	}
	w.record(d)
	if _, exists, err := w.state.Webhook("42", "wh_1"); exists || err != nil {
		t.Errorf("after its deletion the webhook exists: %v, %v", exists, err)
	}
}

// TestBrokenFiltersArePlannedLaterToo: of more webhooks than one decision plans, those whose filters are broken are skipped by jobs.
func TestBrokenFiltersArePlannedLaterToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const webhooks = PlanChunk + StepCalls + 3
	for i := range 2 * webhooks {
		filter := []string{"broken", "matches"}[i%2]
		d, _, err := w.command("register", []byte(`{"company":"42","url":"https://a.example/","eventTypes":["*"],"filter":"`+filter+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
	}
	w.script(`publish {"company":"42","eventType":"x","data":1}`)
	if len(w.calls) != PlanChunk {
		t.Fatalf("acceptance made %d calls, want %d", len(w.calls), PlanChunk)
	}
	for _, name := range w.jobs {
		d, err := ContinuePlan(w.state, w, w.now, name)
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
		w.flush()
	}
	states := map[CallState]int{}
	for _, n := range w.calls {
		row, err := w.state.call(n.company, n.id)
		if err != nil || (row.State == Skipped) != (row.Reason == FilterFailed) {
			t.Fatalf("call %s is %s (%s), %v", n.id, row.State, row.Reason, err)
		}
		states[row.State]++
	}
	if states[Skipped] != webhooks || states[Pending] != webhooks {
		t.Errorf("the calls are %v, want %d of each", states, webhooks)
	}
}

// TestAnnouncementsOfOneDecisionAreBounded: a step that ends many calls tells of them all, and plans at most PlanChunk calls itself.
func TestAnnouncementsOfOneDecisionAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["x"],"maxAge":"1h"}
		repeat 16 register {"company":"42","url":"https://l.example/","eventTypes":["call.failed"]}
		repeat 64 publish {"company":"42","eventType":"x","data":1}
		wait 2h
		expire {}`)
	if got := len(w.calls); got != StepCalls+PlanChunk {
		t.Errorf("one step made %d calls beside the %d, want %d", got-StepCalls, StepCalls, PlanChunk)
	}
	for _, name := range w.jobs {
		d, err := ContinuePlan(w.state, w, w.now, name)
		if err != nil {
			t.Fatal(err)
		}
		w.record(d)
		w.flush()
	}
	if got := len(w.calls); got != StepCalls+16*StepCalls {
		t.Errorf("%d calls in all, want %d", got, StepCalls+16*StepCalls)
	}
}
