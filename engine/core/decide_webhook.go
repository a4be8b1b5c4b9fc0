package core

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"
)

// NewWebhook asks for a webhook. Company, URL and EventTypes are required; of the rest, what is zero takes the default. Settings says what the
// fields mean.
type NewWebhook struct {
	Company string
	URL     string
	// EventTypes are names (invoice.paid), prefixes (invoice.*) or * for all; 1 to 64 of them.
	EventTypes []string
	// Filter is a condition in CEL on the message's content; at most 1,024 bytes.
	Filter string
	// Headers are sent with every attempt; at most 16, 4 KiB. They are kept sealed, and sensitive ones shown masked.
	Headers     map[string]string
	Description string
	Metadata    map[string]string
	// Schedule holds the waits between attempts; nil takes the default, an empty one means a single attempt.
	Schedule []time.Duration
	// Timeout bounds one attempt: 1 s to 1 min.
	Timeout time.Duration
	// MaxAge ends a call that has not succeeded by then: 1 s to 30 days.
	MaxAge time.Duration
	// InFlight is the most attempts under way at once: 1 to 64.
	InFlight int
	// Rate is the most attempts a second: 0.01 to 10,000.
	Rate float64
	// Sequential calls wait until the one before has ended.
	Sequential bool
	// Secret is the key of the signatures, whsec_ and base64 of 24 to 64 bytes; empty for a random one.
	Secret string
	// Seed asks for the seed route's rule: one webhook for a company and event type, the seed's schedule, no jitter.
	Seed bool
	// IdempotencyKey makes the command safe to repeat for 24 hours; empty for none.
	IdempotencyKey string
}

// A Policy is what a webhook gets that does not ask for its own. Zero fields of MaxAge, InFlight and Rate set no limit.
type Policy struct {
	Schedule []time.Duration
	Timeout  time.Duration
	MaxAge   time.Duration
	InFlight int
	Rate     float64
}

// Check validates the policy as that of a webhook would be.
func (p Policy) Check() error {
	var faults problems
	checkPolicy(&faults, Settings{
		Schedule: durations(p.Schedule), Timeout: Duration(p.Timeout), MaxAge: Duration(p.MaxAge), InFlight: p.InFlight, Rate: p.Rate,
	})
	return faults.err()
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
	if n.Seed {
		def.Schedule, def.MaxAge = SeedSchedule(), 0 // three attempts are its contract
	}
	schedule := n.Schedule
	if schedule == nil {
		schedule = def.Schedule
	}
	w := Webhook{
		Company: n.Company, Enabled: true, Seed: n.Seed, Headers: maskHeaders(n.Headers),
		Settings: Settings{
			URL: n.URL, EventTypes: slices.Clone(n.EventTypes), Filter: n.Filter, Description: n.Description, Metadata: maps.Clone(n.Metadata),
			Schedule: durations(schedule), Timeout: Duration(cmp.Or(n.Timeout, def.Timeout)), MaxAge: Duration(cmp.Or(n.MaxAge, def.MaxAge)),
			InFlight: cmp.Or(n.InFlight, def.InFlight), Rate: cmp.Or(n.Rate, def.Rate), Sequential: n.Sequential,
		},
	}
	var p problems
	checkCompany(&p, n.Company)
	checkIdempotencyKey(&p, n.IdempotencyKey)
	checkSettings(&p, w.Settings)
	checkHeaders(&p, n.Headers)
	checkSecret(&p, n.Secret)
	return w, p.err()
}

func durations(in []time.Duration) []Duration {
	out := make([]Duration, len(in))
	for i, d := range in {
		out[i] = Duration(d)
	}
	return out
}

// Sealed is what is stored of a new webhook's secrets: closed under the engine's key, bound to the webhook's id. Headers is nil for none.
type Sealed struct{ Secret, Headers []byte }

// RegisterWebhook begins a webhook. Only the sealed form of its secret and of its headers is stored.
func RegisterWebhook(in Inputs, now time.Time, w Webhook, existing []Webhook, seal func(id string) Sealed) (Decision, Webhook, error) {
	if err := errors.Join(onlySeed(w, existing), fewListen(w, existing)); err != nil {
		return Decision{}, Webhook{}, err
	}
	w.ID, w.CreatedAt, w.UpdatedAt = in.ID(PrefixWebhook), now, now
	var d Decision
	sealed := seal(w.ID)
	digest := d.keep(in, SecretKey(w.ID), sealed.Secret)
	d.tell(WebhookRegistered{Webhook: w.ID, Company: w.Company, Settings: w.Settings, Seed: w.Seed, SecretDigest: digest})
	if sealed.Headers != nil {
		d.setHeaders(in, w, sealed.Headers)
	}
	return d, w, nil
}

// onlySeed holds the seed route's rule: one webhook for a company and event type.
func onlySeed(w Webhook, others []Webhook) error {
	for _, other := range others {
		if w.Seed && other.Seed && other.ID != w.ID && slices.Equal(other.EventTypes, w.EventTypes) {
			return conflict("company %s has webhook %s for %v already; delete that one first", Show(w.Company), other.ID, w.EventTypes)
		}
	}
	return nil
}

// setHeaders tells which headers a webhook has from now on; sealed is nil for none.
func (d *Decision) setHeaders(in Inputs, w Webhook, sealed []byte) {
	e := WebhookHeadersSet{Webhook: w.ID, Company: w.Company, Headers: w.Headers}
	if sealed != nil {
		e.Digest = d.keepBy(in, sealed, func(digest string) []byte { return HeadersKey(w.ID, digest) })
	}
	d.tell(e)
}

// A WebhookEdit changes settings; a nil field stays as it is. Headers and Metadata are replaced as a whole, an empty one removes all.
type WebhookEdit struct {
	Company, ID string
	URL         *string
	EventTypes  []string
	Filter      *string
	Headers     map[string]string
	Description *string
	Metadata    map[string]string
	Schedule    []time.Duration
	Timeout     *time.Duration
	MaxAge      *time.Duration
	InFlight    *int
	Rate        *float64
	Sequential  *bool
}

// UpdateWebhook decides the edit. The new settings hold for decisions from now on; what has been decided stays: the times of next attempts,
// the age and the order of calls that were requested before. seal closes the headers.
func UpdateWebhook(s *State, in Inputs, now time.Time, e WebhookEdit, others []Webhook, seal func() []byte) (Decision, Webhook, error) {
	row, err := s.webhook(e.Company, e.ID)
	if err != nil {
		return Decision{}, Webhook{}, err
	}
	w := row.Webhook
	e.apply(&w)
	var p problems
	checkSettings(&p, w.Settings)
	checkHeaders(&p, e.Headers)
	if err := p.err(); err != nil {
		return Decision{}, Webhook{}, err
	}
	if err := errors.Join(onlySeed(w, others), fewListen(w, others)); err != nil {
		return Decision{}, Webhook{}, err
	}
	w.UpdatedAt = now
	var d Decision
	d.tell(WebhookUpdated{Webhook: w.ID, Company: w.Company, Settings: w.Settings})
	if e.Headers != nil {
		var sealed []byte
		if len(e.Headers) > 0 {
			sealed = seal()
		}
		d.setHeaders(in, w, sealed)
		if before := row.sealed().Headers.Key; before != nil {
			d.Forget = append(d.Forget, before)
		}
	}
	return d, w, nil
}

func (e WebhookEdit) apply(w *Webhook) {
	put(&w.URL, e.URL)
	put(&w.Filter, e.Filter)
	put(&w.Description, e.Description)
	put(&w.Timeout, (*Duration)(e.Timeout))
	put(&w.MaxAge, (*Duration)(e.MaxAge))
	put(&w.InFlight, e.InFlight)
	put(&w.Rate, e.Rate)
	put(&w.Sequential, e.Sequential)
	if e.EventTypes != nil {
		w.EventTypes = slices.Clone(e.EventTypes)
	}
	if e.Schedule != nil {
		w.Schedule = durations(e.Schedule)
	}
	if e.Metadata != nil {
		w.Metadata = maps.Clone(e.Metadata)
	}
	if e.Headers != nil {
		w.Headers = maskHeaders(e.Headers)
	}
}

// put sets a field to the value that was given, if one was.
func put[T any](field, given *T) {
	if given != nil {
		*field = *given
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
	w.Enabled, w.DisabledReason, w.UpdatedAt, w.Breaker, w.Failing = false, DisabledByHand, now, nil, nil
	return Decision{Events: []Event{WebhookDisabled{Webhook: id, Company: company, Reason: DisabledByHand}}}, w, nil
}

// Why a webhook is disabled.
const (
	DisabledByHand = "disabled by hand"
	DisabledByGone = "the receiver answered 410 Gone"
)

// disabledByFailing is the reason of a webhook without a success for too long.
func disabledByFailing(after time.Duration) string {
	return "no success in " + Duration(after).String() + " of attempts"
}

// PauseWebhook makes its calls wait. Pausing a paused one changes nothing.
func PauseWebhook(s *State, now time.Time, company, id string) (Decision, Webhook, error) {
	return setPaused(s, now, company, id, true, WebhookPaused{Webhook: id, Company: company})
}

// ResumeWebhook lets them go on. Resuming one that is not paused changes nothing.
func ResumeWebhook(s *State, now time.Time, company, id string) (Decision, Webhook, error) {
	return setPaused(s, now, company, id, false, WebhookResumed{Webhook: id, Company: company})
}

func setPaused(s *State, now time.Time, company, id string, paused bool, e Event) (Decision, Webhook, error) {
	row, err := s.webhook(company, id)
	if err != nil || row.Paused == paused {
		return Decision{}, webhookOf(row), err
	}
	w := row.Webhook
	w.Paused, w.UpdatedAt = paused, now
	return Decision{Events: []Event{e}}, w, nil
}

// OpenBreaker holds a webhook's calls back for a time. A webhook that is not called anyway needs none.
func OpenBreaker(s *State, now time.Time, company, id, reason string, wait time.Duration) (Decision, error) {
	row, err := load[webhookRow](s, WebhookKey(company, id))
	if err != nil || row == nil || row.Deleted || !row.Enabled {
		return Decision{}, err
	}
	return Decision{Events: []Event{BreakerOpened{
		Webhook: id, Company: company, Reason: reason, Until: StampOf(roundUp(now.Add(wait))), Again: row.Breaker != nil,
	}}}, nil
}

// CloseBreaker lets them go on. A closed one changes nothing.
func CloseBreaker(s *State, company, id string) (Decision, error) {
	row, err := load[webhookRow](s, WebhookKey(company, id))
	if err != nil || row == nil || row.Deleted || row.Breaker == nil {
		return Decision{}, err
	}
	return Decision{Events: []Event{BreakerClosed{Webhook: id, Company: company}}}, nil
}

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
