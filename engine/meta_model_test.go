package engine_test

import (
	"slices"
	"strings"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

// A model says what must become of a list: the rows that every setting must leave, and how every command is answered. It is the documents'
// word written once more, without batches, lanes, crashes and everything else that makes the engine what it is.
type model struct {
	list       list
	now        time.Time
	hooks      []*modelHook // oldest first
	calls      []*modelCall
	candidates []*modelCandidate
	keys       map[string]modelKey
	made       map[string]int // names, for things that are made twice
	unmatched  []core.Unmatched
	results    map[string]string
}

type modelHook struct {
	engine.Webhook

	deleted bool
	waits   []time.Duration
}

type modelCall struct {
	engine.Call

	base    string // message and webhook
	hook    *modelHook
	hasData bool
}

type modelCandidate struct {
	company, tag, state string
	version             int
	created, updated    time.Time
	deleted             bool
}

type modelKey struct {
	content, name string
	at            time.Time
}

func newModel(l list, start time.Time) *model {
	return &model{list: l, now: start, keys: map[string]modelKey{}, made: map[string]int{}, results: map[string]string{}}
}

// step runs a step: its commands, the first attempts with the late command among them, and everything that is due until the next one.
func (m *model) step(s step, until time.Time) {
	for i, batch := range s.batches {
		for _, c := range batch {
			var answers []string
			for range max(1, c.copies) {
				answers = append(answers, m.run(c))
			}
			m.results[resultOf(s, i, c)] = joined(answers)
		}
	}
	var flights []*modelCall
	for _, c := range m.calls {
		if c.State.Open() && !c.NextAt.After(m.now) {
			flights = append(flights, c)
		}
	}
	m.now = m.now.Add(time.Second)
	if s.late != nil {
		m.results[resultOf(s, len(s.batches), *s.late)] = m.run(*s.late)
	}
	for _, c := range flights {
		m.attempt(c)
	}
	m.play(until)
}

// play makes the attempts that are due, in the order of their times.
func (m *model) play(until time.Time) {
	for {
		var next *modelCall
		for _, c := range m.calls {
			if c.State.Open() && !c.NextAt.After(until) && (next == nil || c.NextAt.Before(*next.NextAt)) {
				next = c
			}
		}
		if next == nil {
			m.now = until
			return
		}
		m.now = later(m.now, *next.NextAt)
		m.attempt(next)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// attempt judges one attempt, of a call that may have been ended while it was under way.
func (m *model) attempt(c *modelCall) {
	a := answerTo(m.list.seed, c.ID, c.hook.ID, c.AttemptCount+1)
	c.AttemptCount++
	c.LastStatus, c.LastClass, c.LastError, c.UpdatedAt = a.status, a.class, a.text, m.now
	switch {
	case a.ok():
		m.end(c, core.Succeeded, "")
	case !c.State.Open():
	case a.status == gone.status:
		m.end(c, core.Failed, core.WebhookGone)
		m.disable(c.hook, core.DisabledByGone)
	case a.class == "blocked":
		m.end(c, core.Failed, core.TargetRefused)
	case c.AttemptCount > len(c.hook.waits):
		m.end(c, core.Failed, core.ScheduleUsedUp)
	default:
		wait := c.hook.waits[c.AttemptCount-1]
		if wait < time.Hour {
			wait *= 2 // a Retry-After may double it; it stays within its hour
		} else {
			wait = max(wait, a.retryAfter)
		}
		c.NextAt = new(m.now.Add(wait))
	}
}

func (m *model) end(c *modelCall, state engine.CallState, why engine.Reason) {
	c.State, c.Reason, c.NextAt, c.UpdatedAt, c.EndedAt = state, why, nil, m.now, new(m.now)
}

func (m *model) disable(h *modelHook, why string) {
	h.Enabled, h.DisabledReason, h.UpdatedAt = false, why, m.now
	m.cancelAll(h, core.WebhookIsOff)
}

func (m *model) cancelAll(h *modelHook, why engine.Reason) {
	for _, c := range m.calls {
		if c.hook == h && c.State.Open() {
			m.end(c, core.Cancelled, why)
		}
	}
}

// publish plans the calls of a message by the webhooks as they are now.
func (m *model) publish(company, name, eventType string, resource *engine.ResourceRef, hasData bool) {
	matched := false
	for _, h := range m.hooks {
		if h.Company != company || h.deleted || !wants(h.EventTypes, eventType) {
			continue
		}
		matched = true
		m.request(h, engine.Call{Company: company, Webhook: h.ID, Message: name, EventType: eventType, Resource: resource}, hasData)
	}
	if !matched {
		ref := core.MessageRef{Message: name, Company: company, EventType: eventType, Resource: resource, HasData: hasData}
		m.unmatched = append(m.unmatched, core.Unmatched{MessageRef: ref, CreatedAt: m.now})
	}
}

func (m *model) request(h *modelHook, call engine.Call, hasData bool) {
	c := &modelCall{Call: call, base: call.Message + "@" + h.ID, hook: h, hasData: hasData}
	c.ID, c.URL, c.State = m.name(c.base), h.URL, core.Pending
	c.CreatedAt, c.UpdatedAt, c.NextAt = m.now, m.now, new(m.now)
	m.calls = append(m.calls, c)
	switch {
	case !h.Enabled:
		m.end(c, core.Skipped, core.WebhookIsOff)
	case c.Resource != nil && c.Resource.Version == 0:
		m.end(c, core.Failed, core.ResourceMissing)
	}
}

func wants(types []string, eventType string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		return t == "*" || t == eventType || strings.HasSuffix(t, ".*") && strings.HasPrefix(eventType, t[:len(t)-1])
	})
}

// name gives what is made its name; a second thing of the same name is marked.
func (m *model) name(name string) string {
	m.made[name]++
	return numbered(name, m.made[name])
}
