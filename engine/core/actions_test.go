package core

import (
	"time"

	"posthorn/ports"
)

// decide turns an action into a command, whether or not it makes sense: a refusal is an answer too.
func (w *world) decide(a action) (Decision, any, error) {
	webhook, candidate, call := pick(w.webhooks, a.Pick), pick(w.candidates, a.Pick), pick(w.calls, a.Pick)
	switch a.Verb {
	case "register", "update":
		return w.decideSettings(a, webhook)
	case "enable":
		return answered(EnableWebhook(w.state, w.now, webhook.company, webhook.id))
	case "disable":
		return answered(DisableWebhook(w.state, w.now, webhook.company, webhook.id))
	case "pause":
		return answered(PauseWebhook(w.state, w.now, webhook.company, webhook.id))
	case "resume":
		return answered(ResumeWebhook(w.state, w.now, webhook.company, webhook.id))
	case "rotate":
		seal := func() []byte { return []byte("sealed") }
		return answered(RotateSecret(w.state, w, w.now, webhook.company, webhook.id, time.Duration(a.Kind%3)*time.Hour, seal))
	case "test":
		return answered(TestWebhook(w.state, w, w.now, webhook.company, webhook.id))
	case "expire":
		return w.decideExpire(call)
	case "breaker":
		if a.Kind < 5 {
			d, err := OpenBreaker(w.state, w.now, webhook.company, webhook.id, "probe", a.Wait)
			return d, nil, err
		}
		d, err := CloseBreaker(w.state, webhook.company, webhook.id)
		return d, nil, err
	case "delete":
		d, err := DeleteWebhook(w.state, webhook.company, webhook.id)
		return d, nil, err
	case "create-candidate":
		return w.createCandidate(NewCandidate{
			Company: a.Company, Email: "ada@example.com", FirstName: a.Text, LastName: "L", Fields: map[string]any{a.Text: a.Kind},
		})
	case "edit-candidate":
		return w.decideEdit(a, candidate)
	case "delete-candidate":
		return w.edit(DeleteCandidate(candidate.company, candidate.id), nil)
	case "erase-candidate":
		d, err := EraseResource(w.state, candidate.company, CandidateType, candidate.id)
		return d, nil, err
	case "erase-message":
		d, err := EraseMessage(w.state, MessageRef{Message: w.messageOf(call), Company: call.company, HasData: true})
		return d, nil, err
	case "prune":
		w.flush() // it takes nothing of which its own batch has made a further call, so a batch before it would tell
		d, err := Prune(w.state, w.codec, w.prunable(w.calls, 1+a.Kind), func(string) bool { return false })
		return d, nil, err
	case "publish":
		return w.publish(NewMessage{Company: a.Company, EventType: "x.y", Data: []byte(`{"n": 1}`)})
	case "publish-resource":
		id := candidate.id
		if a.Kind < 3 {
			id = "cand_unknown"
		}
		return w.publish(NewMessage{Company: a.Company, EventType: "x.z", ResourceType: CandidateType, ResourceID: id})
	case "plan":
		return w.decidePlan(a)
	case "judge":
		return w.decideJudge(a, call)
	case "retry":
		return answered(RetryCall(w.state, w, w.now, call.company, call.id))
	case "cancel":
		return answered(CancelCall(w.state, w.now, call.company, call.id))
	case "fail":
		d, err := FailCall(w.state, call.company, call.id, TargetRefused)
		return d, nil, err
	case "job":
		return w.job(a.Pick, a.Kind%3)
	case "use-key":
		k := KeyUsed{Company: a.Company, Route: "r", Key: string(rune('a' + a.Pick)), Fingerprint: "f", Answer: a.Company}
		return Decision{Events: []Event{k}}, nil, nil
	case "expire-keys":
		key := UsedKey{a.Company, "r", string(rune('a' + a.Pick))}
		d, err := ExpireKeys(w.state, w.now, []UsedKey{key, {a.Company, "r", "b"}})
		return d, nil, err
	case "start-engine":
		return answered(StartEngine(w.state, w))
	}
	w.t.Fatalf("no rule for the action %s", a.Verb)
	return Decision{}, nil, nil
}

func (w *world) decideSettings(a action, webhook named) (Decision, any, error) {
	url := pick([]string{"https://a.example/", "http://b.example/?a=1&b=<2>"}, a.Kind)
	in := settings{
		Company: a.Company, URL: &url, Description: &a.Text, Seed: a.Kind == 0,
		EventTypes: pick([][]string{{"*"}, {"x.*"}, {"x.y"}, {"candidate.*", "x.z"}}, a.Kind),
		// Waits of a nanosecond let attempts of one batch follow at one time.
		Schedule: pick([][]Duration{{1, 1, 1}, {Duration(5 * time.Second), Duration(time.Hour)}, {}, nil}, a.Kind),
	}
	if a.Kind == 0 {
		in.EventTypes = []string{"*", "call.failed"}
	}
	in.Sequential, in.MaxAge = new(a.Kind%2 == 1), new(pick([]Duration{0, Duration(time.Second), Duration(time.Hour)}, a.Kind))
	in.Filter = pick([]*string{nil, new(""), new("differs"), new("broken"), new("matches")}, a.Kind)
	in.Headers = pick([]map[string]string{nil, {}, {"X-Key": "v", "X-Team": "books"}}, a.Kind)
	if a.Verb == "register" {
		return w.register(in)
	}
	in.Company, in.ID = webhook.company, webhook.id
	return w.update(in)
}

// decideExpire ends a call by age, if it has one.
func (w *world) decideExpire(call named) (Decision, any, error) {
	row, err := w.state.call(call.company, call.id)
	if err != nil || row.ExpiresAt == nil {
		return Decision{}, nil, err
	}
	d, err := ExpireCalls(w.state, w.now, []Expiry{row.expiry()})
	return d, nil, err
}

func (w *world) decideEdit(a action, c named) (Decision, any, error) {
	switch a.Kind % 3 {
	case 0:
		return w.edit(UpdateCandidate(c.company, c.id, map[string]any{a.Text: nil, "note": a.Text}))
	case 1:
		return w.edit(ApplyForJob(c.company, c.id, a.Text))
	default:
		return w.edit(ChangeCandidateState(c.company, c.id, a.Text))
	}
}

// decidePlan is a message that has its calls planned for later, as one with more than PlanChunk webhooks has.
func (w *world) decidePlan(a action) (Decision, any, error) {
	m := MessageRef{Message: w.ID(PrefixMessage), Company: a.Company, EventType: "x.y"}
	if a.Kind < 2 {
		m.Resource = &ResourceRef{Type: CandidateType, ID: "cand_unknown"}
	}
	planned := CallsPlanned{MessageRef: m}
	for _, webhook := range w.registered(a.Company) {
		planned.Webhooks = append(planned.Webhooks, webhook.ID)
	}
	return Decision{Events: []Event{MessagePublished{MessageRef: m}, planned}}, nil, nil
}

func (w *world) decideJudge(a action, call named) (Decision, any, error) {
	o := Outcome{Company: call.company, Call: call.id, Attempt: 1, Lease: a.Kind % 2, Epoch: 1, StartedAt: w.now.Add(-a.Wait), Error: a.Text}
	if row, err := w.state.call(call.company, call.id); err == nil {
		o.Attempt = row.AttemptCount + 1
	}
	// Most outcomes are of the current attempt; the others are late, or of one that was never tasked.
	switch a.Kind {
	case 0, 1:
		o.Attempt--
	case 2:
		o.Attempt++
	}
	reply := pick([]Outcome{
		{Status: 500, Class: ports.ClassStatus},
		{Status: 200},
		{Class: ports.ClassTimeout},
		{Status: 410, Class: ports.ClassStatus},
		{Class: ports.ClassBlocked},
		{Status: 429, Class: ports.ClassStatus, RetryAfter: a.Text},
	}, len(a.Text)+a.Kind)
	o.Status, o.Class, o.RetryAfter = reply.Status, reply.Class, reply.RetryAfter
	if a.Kind > 7 {
		o.Response = []byte(a.Text)
	}
	d, err := Judge(w.state, w, w.now, o, float64(a.Kind)/10, DefaultDisableAfter)
	return d, nil, err
}
