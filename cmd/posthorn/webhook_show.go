package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"posthorn/engine"
)

// webhookState is what keeps a webhook from being called, if anything does.
func webhookState(w engine.Webhook) string {
	var states []string
	switch {
	case w.Enabled:
	case w.DisabledReason != "":
		states = append(states, "disabled ("+w.DisabledReason+")")
	default:
		states = append(states, "disabled")
	}
	if w.Paused {
		states = append(states, "paused")
	}
	if w.Breaker != nil {
		states = append(states, "breaker open until "+stamp(w.Breaker.Until.Time()))
	}
	if len(states) == 0 {
		return "enabled"
	}
	return strings.Join(states, ", ")
}

func showRegistered(t table, r engine.Registered) {
	showWebhook(t, r.Webhook)
	t.field("secret", r.Secret)
}

func showWebhook(t table, w engine.Webhook) {
	t.field("id", w.ID)
	t.field("company", w.Company)
	t.field("url", w.URL)
	t.field("events", strings.Join(w.EventTypes, " "))
	t.field("filter", w.Filter)
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		t.field("header", name+": "+w.Headers[name])
	}
	t.field("description", w.Description)
	for _, key := range slices.Sorted(maps.Keys(w.Metadata)) {
		t.field("metadata", key+"="+w.Metadata[key])
	}
	t.field("state", webhookState(w))
	showHealth(t, w)
	showPolicy(t, w.Settings)
	t.field("created", w.CreatedAt)
	for _, old := range w.OldSecrets {
		t.field("old secret", "signs until "+stamp(old.Until.Time()))
	}
}

func showHealth(t table, w engine.Webhook) {
	if w.Breaker != nil {
		t.field("breaker", w.Breaker.Reason+", since "+stamp(w.Breaker.Since.Time()))
	}
	if w.Failing != nil {
		t.field("failing", "since "+stamp(w.Failing.Since.Time()))
	}
}

// showPolicy leaves out what sets no limit.
func showPolicy(t table, s engine.Settings) {
	t.field("schedule", durations(s.Schedule, " "))
	t.field("timeout", s.Timeout)
	if s.MaxAge > 0 {
		t.field("max age", s.MaxAge)
	}
	if s.InFlight > 0 {
		t.field("in flight", s.InFlight)
	}
	if s.Rate > 0 {
		t.field("rate", s.Rate)
	}
	if s.Sequential {
		t.field("sequential", "yes")
	}
}

func durations[D engine.Duration | time.Duration](waits []D, separator string) string {
	texts := make([]string, len(waits))
	for i, wait := range waits {
		texts[i] = engine.Duration(wait).String()
	}
	return strings.Join(texts, separator)
}
