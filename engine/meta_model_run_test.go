package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

// How commands are answered when they are refused; else by the name of what they made or changed.
const (
	invalid  = "invalid"
	notFound = "not found"
	conflict = "conflict"
)

// run runs one command and says how it is answered.
func (m *model) run(c command) string {
	if c.bad && c.verb != "update" { // an update is looked at after the webhook is found
		return invalid
	}
	if c.key == "" {
		return m.do(c)
	}
	scope := c.company + "/" + route(c.verb) + "/" + c.key
	c.copies = 0
	if used, ok := m.keys[scope]; ok && m.now.Sub(used.at) < core.KeyLife {
		if used.content != c.String() {
			return invalid
		}
		if c.verb == "register" && m.hook(c.company, used.name) == nil {
			return notFound // its secret, which belongs to the answer, is not told any more
		}
		return used.name
	}
	result := m.do(c)
	if result != conflict {
		m.keys[scope] = modelKey{content: c.String(), name: result, at: m.now}
	}
	return result
}

func route(verb string) string {
	return map[string]string{"register": "webhooks", "create": "candidates", "publish": "messages"}[verb]
}

func (m *model) do(c command) string {
	switch c.verb {
	case "register":
		return m.register(c)
	case "update", "enable", "disable", "delete", "rotate":
		return m.change(c)
	case "create", "edit", "apply", "state", "remove":
		return m.candidate(c)
	case "publish":
		return m.tell(c)
	default:
		return m.byHand(c)
	}
}

func (m *model) register(c command) string {
	if c.seed && m.seedTaken(c) {
		return conflict
	}
	h := &modelHook{waits: c.schedule, Webhook: engine.Webhook{
		ID: m.name(c.tag), Company: c.company, Enabled: true, Seed: c.seed, CreatedAt: m.now, UpdatedAt: m.now,
		Settings: core.Settings{URL: urlOf(c), EventTypes: c.types, Description: c.tag, Timeout: engine.Duration(callTimeout)},
	}}
	switch {
	case c.seed:
		h.waits = []time.Duration{time.Minute, 2 * time.Minute}
		h.Schedule = durationsOf(h.waits)
	case c.schedule == nil:
		h.waits = defaultWaits
		h.Schedule = durationsOf(m.list.asked(h.waits))
	default:
		h.Schedule = durationsOf(m.list.asked(h.waits))
	}
	m.hooks = append(m.hooks, h)
	return h.ID
}

func (m *model) seedTaken(c command) bool {
	return slices.ContainsFunc(m.hooks, func(h *modelHook) bool {
		return h.Company == c.company && h.Seed && !h.deleted && slices.Equal(h.EventTypes, c.types)
	})
}

func durationsOf(in []time.Duration) []engine.Duration {
	out := make([]engine.Duration, len(in))
	for i, d := range in {
		out[i] = engine.Duration(d)
	}
	return out
}

func (m *model) change(c command) string {
	h := m.hook(c.company, c.tag)
	switch {
	case h == nil:
		return notFound
	case c.verb == "update" && c.bad:
		return invalid
	case c.verb == "update":
		m.update(h, c)
	case c.verb == "rotate":
		h.UpdatedAt = m.now
	case c.verb == "enable" && !h.Enabled:
		h.Enabled, h.DisabledReason, h.UpdatedAt = true, "", m.now
	case c.verb == "disable" && h.Enabled:
		m.disable(h, core.DisabledByHand)
	case c.verb == "delete":
		h.deleted, h.Enabled, h.UpdatedAt = true, false, m.now
		m.cancelAll(h, core.WebhookIsDeleted)
		return "done"
	}
	return h.ID
}

// hook returns a webhook that there is, or nil.
func (m *model) hook(company, name string) *modelHook {
	at := slices.IndexFunc(m.hooks, func(h *modelHook) bool { return h.ID == name && h.Company == company && !h.deleted })
	if at < 0 {
		return nil
	}
	return m.hooks[at]
}

func (m *model) update(h *modelHook, c command) {
	if c.text != "" {
		h.URL = urlOf(c)
	}
	if c.types != nil {
		h.EventTypes = c.types
	}
	if c.schedule != nil {
		h.waits, h.Schedule = c.schedule, durationsOf(m.list.asked(c.schedule))
	}
	h.UpdatedAt = m.now
}

func (m *model) candidate(c command) string {
	if c.verb == "create" {
		n := &modelCandidate{company: c.company, tag: m.name(c.tag), version: 1, created: m.now, updated: m.now}
		m.candidates = append(m.candidates, n)
		m.tellCandidate(n, core.TypeCandidateCreated, false)
		return n.tag
	}
	n := m.find(c.company, c.tag)
	if n == nil {
		return notFound
	}
	if c.verb == "state" && n.state == c.text {
		return conflict
	}
	n.version++
	n.updated = m.now
	switch c.verb {
	case "edit":
		m.tellCandidate(n, core.TypeCandidateUpdated, false)
	case "apply":
		m.tellCandidate(n, core.TypeCandidateApplied, true)
	case "state":
		n.state = c.text
		m.tellCandidate(n, core.TypeCandidateStateChanged, true)
	case "remove":
		n.deleted = true
		m.tellCandidate(n, core.TypeCandidateDeleted, false)
		return "done"
	}
	return n.tag
}

func (m *model) find(company, tag string) *modelCandidate {
	at := slices.IndexFunc(m.candidates, func(n *modelCandidate) bool { return n.tag == tag && n.company == company && !n.deleted })
	if at < 0 {
		return nil
	}
	return m.candidates[at]
}

func (m *model) tellCandidate(n *modelCandidate, eventType string, hasData bool) {
	ref := &engine.ResourceRef{Type: core.CandidateType, ID: n.tag, Version: n.version}
	m.publish(n.company, fmt.Sprintf("%sv%d", n.tag, n.version), eventType, ref, hasData)
}

func (m *model) tell(c command) string {
	var ref *engine.ResourceRef
	if c.resource != "" {
		ref = &engine.ResourceRef{Type: core.CandidateType, ID: c.resource}
		if m.made[c.resource] == 0 {
			ref.ID = core.PrefixCandidate + c.resource // what was refused has no id
		}
		if n := m.find(c.company, c.resource); n != nil {
			ref.Version = n.version
		}
	}
	name := m.name(c.tag)
	m.publish(c.company, name, c.eventType, ref, true)
	return name
}

func (m *model) byHand(c command) string {
	var last *modelCall
	for _, call := range m.calls {
		if call.base == c.name() {
			last = call
		}
	}
	switch {
	case last == nil:
		return notFound
	case c.verb == "cancel" && !last.State.Open():
		return conflict
	case c.verb == "cancel":
		m.end(last, core.Cancelled, core.CancelledByHand)
		return last.ID
	case last.State.Open() || last.hook.deleted || !last.hook.Enabled:
		return conflict
	}
	again := engine.Call{
		Company: c.company, Webhook: last.Webhook, Message: last.Message, EventType: last.EventType, Resource: last.Resource, RetryOf: last.ID,
	}
	m.request(last.hook, again, last.hasData)
	return m.calls[len(m.calls)-1].ID
}

// lines are the rows that the model foresees, in the form of the ledger's.
func (m *model) lines() []string {
	out := []string{"engine"}
	for _, h := range m.hooks {
		out = append(out, webhookLine(h.Webhook, "secret/"+h.ID, h.deleted))
	}
	for _, n := range m.candidates {
		ref := engine.ResourceRef{Type: core.CandidateType, ID: n.tag, Version: n.version}
		digest := strings.Join([]string{"resource", ref.Type, n.tag, fmt.Sprint(n.version)}, "/")
		out = append(out, resourceLine(core.ResourceVersion{ResourceRef: ref, Company: n.company, Digest: digest}, n.created, n.updated, n.deleted))
	}
	retried := map[string]bool{}
	for _, c := range m.calls {
		retried[c.RetryOf] = true
	}
	for _, c := range m.calls {
		out = append(out, callLine(c.Call, c.hasData))
		if !c.State.Open() && c.State != core.Succeeded && !retried[c.ID] {
			out = append(out, undeliveredLine(c.Company, c.ID))
		}
		if c.RetryOf != "" {
			out = append(out, againLine(c.Company, c.Message, c.ID))
		}
		if c.State.Open() {
			out = append(out, dueLine(core.Due{Webhook: c.Webhook, At: *c.NextAt, Company: c.Company, Call: c.ID}))
		}
	}
	for scope, k := range m.keys {
		if parts := strings.Split(scope, "/"); m.now.Sub(k.at) < core.KeyLife {
			out = append(out, keyLine(core.UsedKey{Company: parts[0], Route: parts[1], Key: parts[2]}, k.at.Add(core.KeyLife)))
		}
	}
	for _, u := range m.unmatched {
		out = append(out, unmatchedLine(u))
	}
	for i := range out {
		out[i] = toTheHour(out[i])
	}
	slices.Sort(out)
	return out
}
