package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
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
		"pause": with(func(w *world, in one) (Decision, any, error) {
			return answered(PauseWebhook(w.state, w.now, in.Company, in.ID))
		}),
		"resume": with(func(w *world, in one) (Decision, any, error) {
			return answered(ResumeWebhook(w.state, w.now, in.Company, in.ID))
		}),
		"rotate": with((*world).rotate),
		"test": with(func(w *world, in one) (Decision, any, error) {
			return answered(TestWebhook(w.state, w, w.now, in.Company, in.ID))
		}),
		"open-breaker": with(func(w *world, in struct {
			one
			Reason string
			Wait   Duration
		},
		) (Decision, any, error) {
			d, err := OpenBreaker(w.state, w.now, in.Company, in.ID, in.Reason, time.Duration(in.Wait))
			return d, nil, err
		}),
		"close-breaker": with(func(w *world, in one) (Decision, any, error) {
			d, err := CloseBreaker(w.state, in.Company, in.ID)
			return d, nil, err
		}),
		"expire": with((*world).expire),
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
		"erase-candidate": with(func(w *world, in one) (Decision, any, error) {
			d, err := EraseResource(w.state, in.Company, CandidateType, in.ID)
			return d, nil, err
		}),
		"erase-message": with(func(w *world, in one) (Decision, any, error) {
			d, err := EraseMessage(w.state, MessageRef{Message: in.ID, Company: in.Company, HasData: true})
			return d, nil, err
		}),
		"prune": with((*world).prune),
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
		"create-key": with(func(w *world, in NewAPIKey) (Decision, any, error) {
			if err := in.Check(); err != nil {
				return Decision{}, nil, err
			}
			d, k, token := CreateKey(w, w.now, in, [TokenBytes]byte{1})
			return d, map[string]any{"key": k, "token": token}, nil
		}),
		"revoke-key": with(func(w *world, in one) (Decision, any, error) {
			return answered(RevokeKey(w.state, w.now, in.ID))
		}),
		"start-replay": with(func(w *world, in NewReplay) (Decision, any, error) {
			in, err := in.Check()
			if err != nil {
				return Decision{}, nil, err
			}
			return answered(StartReplay(w.state, w, w.now, in))
		}),
		"pause-replay": with(func(w *world, in one) (Decision, any, error) {
			return answered(PauseReplay(w.state, w.now, in.Company, in.ID))
		}),
		"resume-replay": with(func(w *world, in one) (Decision, any, error) {
			return answered(ResumeReplay(w.state, w.now, in.Company, in.ID))
		}),
		"cancel-replay": with(func(w *world, in one) (Decision, any, error) {
			return answered(CancelReplay(w.state, w.now, in.Company, in.ID))
		}),
		"advance-replay": with(func(w *world, in struct {
			one
			Step ReplayStep
		},
		) (Decision, any, error) {
			d, err := AdvanceReplay(w.state, w, w.now, in.Company, in.ID, in.Step)
			return d, nil, err
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
	Company, ID              string
	URL, Description, Filter *string
	EventTypes               []string
	Headers, Metadata        map[string]string
	Schedule                 []Duration
	Timeout, MaxAge          *Duration
	InFlight                 *int
	Rate                     *float64
	Sequential               *bool
	Secret                   string
	Seed                     bool
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
		Filter: value(in.Filter), Headers: in.Headers, Metadata: in.Metadata,
		Schedule: plain(in.Schedule), Timeout: time.Duration(value(in.Timeout)), MaxAge: time.Duration(value(in.MaxAge)),
		InFlight: value(in.InFlight), Rate: value(in.Rate), Sequential: value(in.Sequential), Secret: in.Secret, Seed: in.Seed,
	}.Check(DefaultPolicy())
	if err != nil {
		return Decision{}, nil, err
	}
	seal := func(id string) Sealed {
		sealed := Sealed{Secret: []byte("sealed for " + id)}
		if len(in.Headers) > 0 {
			sealed.Headers = []byte("headers sealed for " + id)
		}
		return sealed
	}
	return answered(RegisterWebhook(w, w.now, checked, w.registered(in.Company), seal))
}

func (w *world) update(in settings) (Decision, any, error) {
	seal := func() []byte { return []byte("headers sealed for " + in.ID) }
	return answered(UpdateWebhook(w.state, w, w.now, WebhookEdit{
		Company: in.Company, ID: in.ID, URL: in.URL, EventTypes: in.EventTypes, Filter: in.Filter, Description: in.Description,
		Headers: in.Headers, Metadata: in.Metadata, Schedule: plain(in.Schedule), Timeout: (*time.Duration)(in.Timeout),
		MaxAge: (*time.Duration)(in.MaxAge), InFlight: in.InFlight, Rate: in.Rate, Sequential: in.Sequential,
	}, w.registered(in.Company), seal))
}

func (w *world) rotate(in struct {
	Company, ID, Secret string
	Overlap             Duration
},
) (Decision, any, error) {
	if err := CheckRotation(in.Secret, time.Duration(in.Overlap)); err != nil {
		return Decision{}, nil, err
	}
	seal := func() []byte { return []byte("new secret sealed for " + in.ID) }
	return answered(RotateSecret(w.state, w, w.now, in.Company, in.ID, time.Duration(in.Overlap), seal))
}

// expire ends the calls whose expiry rows say that their time is over, as the engine does.
func (w *world) expire(struct{}) (Decision, any, error) {
	var expired []Expiry
	from, to := ExpiryRange(time.Time{})
	for k, v := range w.rows {
		if within([]byte(k), from, to) {
			expired = append(expired, w.parseExpiry([]byte(k), v))
		}
	}
	slices.SortFunc(expired, func(a, b Expiry) int { return bytes.Compare(a.Key(), b.Key()) })
	d, err := ExpireCalls(w.state, w.now, expired)
	return d, nil, err
}

func (w *world) parseExpiry(k, v []byte) Expiry {
	w.t.Helper()
	x, err := ParseExpiry(k, v)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return x
}

func (w *world) publish(in NewMessage) (Decision, any, error) {
	checked, err := in.Check()
	if err != nil {
		return Decision{}, nil, err
	}
	return w.routed(in.Company, func(r Routing) (Decision, any, error) {
		return answered(Publish(w.state, w, w.now, checked, r))
	})
}

// routed decides with the verdicts that the decision asks for. The text of a filter says which: differs, broken, or else it matches.
func (w *world) routed(company string, decide func(Routing) (Decision, any, error)) (Decision, any, error) {
	r := Routing{Webhooks: w.registered(company)}
	d, answer, err := decide(r)
	unjudged, ok := errors.AsType[*UnjudgedError](err)
	if !ok {
		return d, answer, err
	}
	r.Verdicts = Verdicts{Content: unjudged.Content, ByFilter: map[string]Verdict{}}
	for _, text := range unjudged.Filters {
		r.Verdicts.ByFilter[text] = map[string]Verdict{"differs": Differs, "broken": Broken}[text]
		if r.Verdicts.ByFilter[text] == Unjudged {
			r.Verdicts.ByFilter[text] = Matches
		}
	}
	return decide(r)
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
	return w.routed(in.Company, func(r Routing) (Decision, any, error) {
		d, c, m, err := CreateCandidate(w, w.now, checked, r)
		return d, told{c, m}, err
	})
}

func (w *world) edit(e CandidateEdit, err error) (Decision, any, error) {
	if err != nil {
		return Decision{}, nil, err
	}
	return w.routed(e.Company(), func(r Routing) (Decision, any, error) {
		d, c, m, err := e.Decide(w.state, w, w.now, w.current(e.Company(), e.ID()), r)
		return d, told{c, m}, err
	})
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
	d, err := Judge(w.state, w, w.now, o, in.Jitter, DefaultDisableAfter)
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
		d, planErr := ContinuePlan(w.state, w, w.now, name)
		return d, nil, errors.Join(err, planErr)
	}
	if job.Erase != nil {
		calls, messages := w.about(*job.Erase)
		d, err := EraseCalls(w.state, name, calls, messages, true)
		return d, nil, err
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
