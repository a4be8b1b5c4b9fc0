package core

import (
	"encoding/json"
	"errors"
	"time"
)

// A verb decides a command of a story from its input.
type verb func(w *world, input []byte) (Decision, any, error)

// with makes a verb of a decision that has its own input type.
func with[T any](decide func(w *world, in T) (Decision, any, error)) verb {
	return func(w *world, input []byte) (Decision, any, error) {
		var in T
		if err := json.Unmarshal(input, &in); err != nil {
			w.t.Fatalf("input %s: %v", input, err)
		}
		return decide(w, in)
	}
}

func verbs() map[string]verb {
	return map[string]verb{
		"register": with((*world).register),
		"update":   with((*world).update),
		"enable": with(func(w *world, in one) (Decision, any, error) {
			return answered(EnableWebhook(w.state, w.now, in.Company, in.ID))
		}),
		"disable": with(func(w *world, in one) (Decision, any, error) {
			return answered(DisableWebhook(w.state, w.now, in.Company, in.ID))
		}),
		"delete": with(func(w *world, in one) (Decision, any, error) {
			d, err := DeleteWebhook(w.state, in.Company, in.ID)
			return d, nil, err
		}),
		"publish":          with((*world).publish),
		"create-candidate": with((*world).createCandidate),
		"update-candidate": with(func(w *world, in one) (Decision, any, error) {
			return w.edit(UpdateCandidate(in.Company, in.ID, in.Fields))
		}),
		"apply-for-job": with(func(w *world, in one) (Decision, any, error) {
			return w.edit(ApplyForJob(in.Company, in.ID, in.Job))
		}),
		"change-state": with(func(w *world, in one) (Decision, any, error) {
			return w.edit(ChangeCandidateState(in.Company, in.ID, in.State))
		}),
		"delete-candidate": with(func(w *world, in one) (Decision, any, error) {
			return w.edit(DeleteCandidate(in.Company, in.ID), nil)
		}),
		"judge": with((*world).judge),
		"retry": with(func(w *world, in one) (Decision, any, error) {
			return answered(RetryCall(w.state, w, w.now, in.Company, in.ID))
		}),
		"cancel": with(func(w *world, in one) (Decision, any, error) {
			return answered(CancelCall(w.state, w.now, in.Company, in.ID))
		}),
		"fail": with(func(w *world, in one) (Decision, any, error) {
			d, err := FailCall(w.state, in.Company, in.ID, in.Reason)
			return d, nil, err
		}),
		"start-engine": with(func(w *world, _ struct{}) (Decision, any, error) {
			return answered(StartEngine(w.state, w))
		}),
		"continue-job": with((*world).continueJob),
		"past-answer":  with((*world).pastAnswer),
		"expire-keys": with(func(w *world, in struct{ Keys []UsedKey }) (Decision, any, error) {
			d, err := ExpireKeys(w.state, w.now, in.Keys)
			return d, nil, err
		}),
	}
}

// one names what a command is about, and what it asks for.
type one struct {
	Company, ID string
	Reason      Reason
	Job, State  string
	Fields      map[string]any
}

func answered[T any](d Decision, answer T, err error) (Decision, any, error) { return d, answer, err }

// settings are a webhook's, with durations as text.
type settings struct {
	Company, ID      string
	URL, Description *string
	EventTypes       []string
	Schedule         []Duration
	Timeout          *Duration
	Seed             bool
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func plain(in []Duration) []time.Duration {
	if in == nil {
		return nil
	}
	out := make([]time.Duration, len(in))
	for i, d := range in {
		out[i] = time.Duration(d)
	}
	return out
}

func (w *world) register(in settings) (Decision, any, error) {
	checked, err := NewWebhook{
		Company: in.Company, URL: value(in.URL), EventTypes: in.EventTypes, Description: value(in.Description),
		Schedule: plain(in.Schedule), Timeout: time.Duration(value(in.Timeout)), Seed: in.Seed,
	}.Check(DefaultPolicy())
	if err != nil {
		return Decision{}, nil, err
	}
	seal := func(id string) []byte { return []byte("sealed for " + id) }
	return answered(RegisterWebhook(w, w.now, checked, w.registered(in.Company), seal))
}

func (w *world) update(in settings) (Decision, any, error) {
	return answered(UpdateWebhook(w.state, w.now, WebhookEdit{
		Company: in.Company, ID: in.ID, URL: in.URL, EventTypes: in.EventTypes, Description: in.Description,
		Schedule: plain(in.Schedule), Timeout: (*time.Duration)(in.Timeout),
	}, w.registered(in.Company)))
}

func (w *world) publish(in NewMessage) (Decision, any, error) {
	checked, err := in.Check()
	if err != nil {
		return Decision{}, nil, err
	}
	return answered(Publish(w.state, w, w.now, checked, w.registered(in.Company)))
}

// told is a candidate and the message that tells of it.
type told struct {
	Candidate Candidate `json:"candidate"`
	Message   Message   `json:"message"`
}

func (w *world) createCandidate(in NewCandidate) (Decision, any, error) {
	checked, err := in.Check()
	if err != nil {
		return Decision{}, nil, err
	}
	d, c, m, err := CreateCandidate(w, w.now, checked, w.registered(in.Company))
	return d, told{c, m}, err
}

func (w *world) edit(e CandidateEdit, err error) (Decision, any, error) {
	if err != nil {
		return Decision{}, nil, err
	}
	d, c, m, err := e.Decide(w.state, w, w.now, w.current(e.Company(), e.ID()), w.registered(e.Company()))
	return d, told{c, m}, err
}

// judged is an outcome with the response body as text, and the jitter.
type judged struct {
	Outcome
	Body   string
	Jitter float64
}

func (w *world) judge(in judged) (Decision, any, error) {
	o := in.Outcome
	o.StartedAt, o.Response = w.now.Add(-time.Duration(o.TookMS)*time.Millisecond), []byte(in.Body)
	d, err := Judge(w.state, w, w.now, o, in.Jitter)
	return d, nil, err
}

// step names the job that event Seq began, and how many calls its next step may end; 0 means all.
type step struct {
	Seq  uint64
	Most int
}

// continueJob does one step of a job, as the engine does.
func (w *world) continueJob(in step) (Decision, any, error) {
	name := JobName(in.Seq, 0)
	job, err := load[Job](w.state, JobKey(name))
	if err != nil || job == nil || job.Plan != nil {
		d, planErr := ContinuePlan(w.state, w, name)
		return d, nil, errors.Join(err, planErr)
	}
	calls := w.open(*job.Cancel)
	last := in.Most == 0 || len(calls) <= in.Most
	if !last {
		calls = calls[:in.Most]
	}
	d, err := CancelCalls(w.state, name, calls, last)
	return d, nil, err
}

func (w *world) pastAnswer(in struct {
	UsedKey
	Fingerprint string
},
) (Decision, any, error) {
	answer, found, err := PastAnswer(w.state, w.now, in.UsedKey, in.Fingerprint)
	return Decision{}, map[string]any{"answer": answer, "found": found}, err
}
