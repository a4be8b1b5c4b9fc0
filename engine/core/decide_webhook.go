package core

import (
	"slices"
	"time"
)

// NewWebhook asks for a webhook. Company, URL and EventTypes are required.
type NewWebhook struct {
	Company string
	URL     string
	// EventTypes are names (invoice.paid), prefixes (invoice.*) or * for all; 1 to 64 of them.
	EventTypes  []string
	Description string
	// Schedule holds the waits between attempts; nil takes the default, an empty one means a single attempt.
	Schedule []time.Duration
	// Timeout bounds one attempt; 0 takes the default.
	Timeout time.Duration
	// Seed asks for the seed route's rule: one webhook for a company and event type, the seed's schedule, no jitter.
	Seed bool
	// IdempotencyKey makes the command safe to repeat for 24 hours; empty for none.
	IdempotencyKey string
}

// A Policy is what a webhook gets that does not ask for its own.
type Policy struct {
	Schedule []time.Duration
	Timeout  time.Duration
}

// DefaultPolicy is the schedule of the Standard Webhooks specification (section "Deliverability and reliability"), over three days,
// and a timeout of 15 s.
func DefaultPolicy() Policy {
	return Policy{Timeout: 15 * time.Second, Schedule: []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}}
}

// SeedSchedule is the replaced system's: 3 attempts, the second after 60 s, the third 120 s later.
func SeedSchedule() []time.Duration { return []time.Duration{time.Minute, 2 * time.Minute} }

// Check validates the webhook and fills in what is not given from def. It needs no state.
func (n NewWebhook) Check(def Policy) (Webhook, error) {
	schedule := n.Schedule
	switch {
	case schedule == nil && n.Seed:
		schedule = SeedSchedule()
	case schedule == nil:
		schedule = def.Schedule
	}
	w := Webhook{
		Company: n.Company, URL: n.URL, EventTypes: slices.Clone(n.EventTypes), Description: n.Description, Enabled: true,
		Schedule: durations(schedule), Timeout: Duration(orElse(n.Timeout, def.Timeout)), Seed: n.Seed,
	}
	var p problems
	checkCompany(&p, n.Company)
	checkIdempotencyKey(&p, n.IdempotencyKey)
	checkWebhook(&p, w)
	return w, p.err()
}

func durations(in []time.Duration) []Duration {
	out := make([]Duration, len(in))
	for i, d := range in {
		out[i] = Duration(d)
	}
	return out
}

func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// RegisterWebhook begins a webhook. seal closes its secret under the engine's key, bound to the webhook's id; only the sealed form is
// stored.
func RegisterWebhook(in Inputs, now time.Time, w Webhook, existing []Webhook, seal func(id string) []byte) (Decision, Webhook, error) {
	if w.Seed {
		for _, other := range existing {
			if other.Seed && slices.Equal(other.EventTypes, w.EventTypes) {
				return Decision{}, Webhook{}, conflict("company %s has webhook %s for %v already; delete that one first",
					Show(w.Company), other.ID, w.EventTypes)
			}
		}
	}
	w.ID, w.CreatedAt, w.UpdatedAt = in.ID(PrefixWebhook), now, now
	var d Decision
	digest := d.keep(in, SecretKey(w.ID), seal(w.ID))
	d.tell(WebhookRegistered{
		Webhook: w.ID, Company: w.Company, URL: w.URL, EventTypes: w.EventTypes, Description: w.Description,
		Schedule: w.Schedule, Timeout: w.Timeout, Seed: w.Seed, SecretDigest: digest,
	})
	return d, w, nil
}

// A WebhookEdit changes settings; a nil field stays as it is.
type WebhookEdit struct {
	Company, ID string
	URL         *string
	EventTypes  []string
	Description *string
	Schedule    []time.Duration
	Timeout     *time.Duration
}

// UpdateWebhook decides the edit. The new schedule and timeout hold for decisions from now on; times already decided stay.
func UpdateWebhook(s *State, now time.Time, e WebhookEdit, others []Webhook) (Decision, Webhook, error) {
	row, err := s.webhook(e.Company, e.ID)
	if err != nil {
		return Decision{}, Webhook{}, err
	}
	w := row.Webhook
	e.apply(&w)
	var p problems
	checkWebhook(&p, w)
	if err := p.err(); err != nil {
		return Decision{}, Webhook{}, err
	}
	for _, other := range others {
		if w.Seed && other.Seed && other.ID != w.ID && slices.Equal(other.EventTypes, w.EventTypes) {
			return Decision{}, Webhook{}, conflict("webhook %s has %v already; delete that one first", other.ID, w.EventTypes)
		}
	}
	w.UpdatedAt = now
	return Decision{Events: []Event{WebhookUpdated{
		Webhook: w.ID, Company: w.Company, URL: w.URL, EventTypes: w.EventTypes, Description: w.Description, Schedule: w.Schedule, Timeout: w.Timeout,
	}}}, w, nil
}

func (e WebhookEdit) apply(w *Webhook) {
	if e.URL != nil {
		w.URL = *e.URL
	}
	if e.EventTypes != nil {
		w.EventTypes = slices.Clone(e.EventTypes)
	}
	if e.Description != nil {
		w.Description = *e.Description
	}
	if e.Schedule != nil {
		w.Schedule = durations(e.Schedule)
	}
	if e.Timeout != nil {
		w.Timeout = Duration(*e.Timeout)
	}
}

// EnableWebhook lets messages reach the webhook again. Enabling an enabled one changes nothing.
func EnableWebhook(s *State, now time.Time, company, id string) (Decision, Webhook, error) {
	row, err := s.webhook(company, id)
	if err != nil || row.Enabled {
		return Decision{}, webhookOf(row), err
	}
	w := row.Webhook
	w.Enabled, w.DisabledReason, w.UpdatedAt = true, "", now
	return Decision{Events: []Event{WebhookEnabled{Webhook: id, Company: company}}}, w, nil
}

// DisableWebhook stops it: messages from now on are skipped, calls that wait are cancelled. Disabling a disabled one changes
// nothing.
func DisableWebhook(s *State, now time.Time, company, id string) (Decision, Webhook, error) {
	row, err := s.webhook(company, id)
	if err != nil || !row.Enabled {
		return Decision{}, webhookOf(row), err
	}
	w := row.Webhook
	w.Enabled, w.DisabledReason, w.UpdatedAt = false, DisabledByHand, now
	return Decision{Events: []Event{WebhookDisabled{Webhook: id, Company: company, Reason: DisabledByHand}}}, w, nil
}

// Why a webhook is disabled.
const (
	DisabledByHand = "disabled by hand"
	DisabledByGone = "the receiver answered 410 Gone"
)

// DeleteWebhook ends it; calls that wait are cancelled.
func DeleteWebhook(s *State, company, id string) (Decision, error) {
	if _, err := s.webhook(company, id); err != nil {
		return Decision{}, err
	}
	return Decision{Events: []Event{WebhookDeleted{Webhook: id, Company: company}}}, nil
}

func webhookOf(row *webhookRow) Webhook {
	if row == nil {
		return Webhook{}
	}
	return row.Webhook
}
