package core

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// What the engine itself tells a company's webhooks of.
const (
	TypeCallFailed      = "call.failed"
	TypeWebhookFailing  = "webhook.failing"
	TypeWebhookDisabled = "webhook.disabled"
)

func announcements() []string {
	return []string{TypeCallFailed, TypeWebhookFailing, TypeWebhookDisabled}
}

// Announced tells whether messages of an event type are the engine's own.
func Announced(eventType string) bool { return slices.Contains(announcements(), eventType) }

// maxListening is how many webhooks of a company may ask for what the engine announces: each call that fails makes as many.
const maxListening = 16

// Listening returns those of the webhooks that asked for anything that the engine announces: the oldest, as many as there may be.
func Listening(webhooks []Webhook) []Webhook {
	var out []Webhook
	for _, w := range webhooks {
		if w.listens() && len(out) < maxListening {
			out = append(out, w)
		}
	}
	return out
}

// fewListen holds maxListening for a webhook that is registered or changed beside others.
func fewListen(w Webhook, others []Webhook) error {
	if !w.listens() {
		return nil
	}
	n := 0
	for _, other := range others {
		if other.ID != w.ID && other.listens() {
			n++
		}
	}
	if n >= maxListening {
		return conflict("company %s has %d webhooks that ask for %s already, which is the most; delete one of them first, or leave these out",
			Show(w.Company), n, strings.Join(announcements(), ", "))
	}
	return nil
}

// An announcement is the data of such a message. It names what happened; what was told to whom is for the API to show.
type announcement struct {
	Webhook    string `json:"webhook"`
	Reason     string `json:"reason"`
	Until      Stamp  `json:"until,omitzero"`
	Call       string `json:"call,omitempty"`
	Message    string `json:"message,omitempty"`
	EventType  string `json:"eventType,omitempty"`
	Attempts   int    `json:"attempts,omitempty"`
	LastStatus int    `json:"lastStatus,omitempty"`
	LastError  string `json:"lastError,omitempty"`
}

// Announce tells the company's webhooks that listen of calls that failed, and of webhooks that fail or are disabled. The events have been
// folded into s. A call that made an announcement itself is not told of, or a webhook that fails would be told for ever that it does. All
// announcements of one decision share PlanChunk: a step that ends many calls stays a small commit.
func Announce(s *State, in Inputs, now time.Time, events []Event, listening func(company string) ([]Webhook, error)) (Decision, error) {
	var d Decision
	for _, e := range events {
		company, eventType := announces(e)
		if eventType == "" {
			continue
		}
		webhooks, err := listening(company)
		if err != nil {
			return Decision{}, err
		}
		webhooks = slices.DeleteFunc(slices.Clone(webhooks), func(w Webhook) bool { return !w.Wants(eventType) })
		if len(webhooks) == 0 {
			continue
		}
		about, ok, err := s.announcement(e)
		if err != nil {
			return Decision{}, err
		}
		if !ok {
			continue
		}
		data, err := json.Marshal(about)
		if err != nil {
			return Decision{}, err
		}
		m := MessageRef{Message: in.ID(PrefixMessage), Company: company, EventType: eventType}
		if _, err := d.publish(in, now, m, data, nil, Routing{Webhooks: webhooks}); err != nil {
			return Decision{}, err
		}
	}
	return d, nil
}

// announces names the message that an event may be told by.
func announces(e Event) (company, eventType string) {
	switch e := e.(type) {
	case CallFailed:
		return e.Company, TypeCallFailed
	case WebhookDisabled:
		return e.Company, TypeWebhookDisabled
	case BreakerOpened:
		return e.Company, TypeWebhookFailing
	}
	return "", ""
}

// announcement returns what there is to say of an event; ok is false for what is not told.
func (s *State) announcement(e Event) (a announcement, ok bool, err error) {
	switch e := e.(type) {
	case CallFailed:
		row, err := s.call(e.Company, e.Call)
		if err != nil || Announced(row.EventType) {
			return a, false, err
		}
		return announcement{
			Webhook: row.Webhook, Reason: string(e.Reason), Call: row.ID, Message: row.Message, EventType: row.EventType,
			Attempts: row.AttemptCount, LastStatus: row.LastStatus, LastError: row.LastError,
		}, true, nil
	case WebhookDisabled:
		return announcement{Webhook: e.Webhook, Reason: e.Reason}, true, nil
	case BreakerOpened:
		return announcement{Webhook: e.Webhook, Reason: e.Reason, Until: e.Until}, !e.Again, nil
	}
	return a, false, nil
}
