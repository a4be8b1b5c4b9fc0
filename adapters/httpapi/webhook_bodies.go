package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

// What is not given, or zero, takes the server's default.
type newWebhook struct {
	URL         string            `doc:"Where to call: absolute, http or https" json:"url"`
	EventTypes  []string          `doc:"Names (invoice.paid), prefixes (invoice.*) or * for all" json:"eventTypes" nullable:"false"`
	Filter      string            `doc:"A condition in CEL on the message, such as data.amount > 100" json:"filter,omitempty"`
	Headers     map[string]string `doc:"Sent with every attempt; sensitive values are shown masked" json:"headers,omitempty"`
	Description string            `doc:"Free text" json:"description,omitempty"`
	Metadata    map[string]string `doc:"Keys and values of your own" json:"metadata,omitempty"`
	Schedule    []string          `doc:"The waits between attempts, such as 5s, 2m, 1h30m; empty means a single attempt" json:"schedule,omitempty"`
	Timeout     string            `doc:"What one attempt may take, 1s to 1m" json:"timeout,omitempty"`
	MaxAge      string            `doc:"A call ends when its message is older than this, such as 48h" json:"maxAge,omitempty"`
	InFlight    int               `doc:"The most attempts under way at once; 0 for the most" json:"inFlight,omitempty" maximum:"64" minimum:"0"`
	Rate        float64           `doc:"The most attempts a second, 0.01 or more; 0 for no limit" json:"rate,omitempty" maximum:"10000" minimum:"0"`
	Sequential  bool              `doc:"A call waits until the one before it has ended" json:"sequential,omitempty"`
	Secret      string            `doc:"Key of the signatures, whsec_ and base64 of 24 to 64 bytes; a random one if not given" json:"secret,omitempty"`
	Seed        bool              `doc:"By the rules of the replaced system: one for a company and event type" json:"seed,omitempty"`
}

func (b newWebhook) asked() (engine.NewWebhook, error) {
	var d durations
	n := engine.NewWebhook{
		URL: b.URL, EventTypes: b.EventTypes, Filter: b.Filter, Headers: b.Headers, Description: b.Description, Metadata: b.Metadata,
		Schedule: d.list("schedule", b.Schedule), Timeout: d.optional("timeout", b.Timeout), MaxAge: d.optional("maxAge", b.MaxAge),
		InFlight: b.InFlight, Rate: b.Rate, Sequential: b.Sequential, Secret: b.Secret, Seed: b.Seed,
	}
	return n, d.err()
}

// What is not given stays as it is.
type webhookChange struct {
	URL         *string           `json:"url,omitempty"`
	EventTypes  []string          `json:"eventTypes,omitempty" nullable:"false"`
	Filter      *string           `doc:"Empty for none" json:"filter,omitempty"`
	Headers     map[string]string `doc:"In place of all so far; {} for none" json:"headers,omitempty"`
	Description *string           `json:"description,omitempty"`
	Metadata    map[string]string `doc:"In place of all so far; {} for none" json:"metadata,omitempty"`
	Schedule    []string          `doc:"Holds for decisions from now on; times already decided stay" json:"schedule,omitempty" nullable:"false"`
	Timeout     *string           `json:"timeout,omitempty"`
	MaxAge      *string           `doc:"Holds for messages from now on; 0s for none" json:"maxAge,omitempty"`
	InFlight    *int              `doc:"0 for the most" json:"inFlight,omitempty" maximum:"64" minimum:"0"`
	Rate        *float64          `doc:"0 for no limit" json:"rate,omitempty" maximum:"10000" minimum:"0"`
	Sequential  *bool             `doc:"Holds for messages from now on" json:"sequential,omitempty"`
}

// A patch is a webhookChange with the text that it was read from, in which null differs from what is not given.
type patch struct {
	Company string `doc:"The tenant's id" path:"company"`
	ID      string `path:"id"`
	Body    webhookChange
	RawBody []byte
}

// noNulls refuses null, which some take for "clear it" and others for "leave it".
func noNulls(raw []byte) error {
	fields, err := decodeObject(raw)
	if err != nil {
		return err
	}
	var nulls []engine.Problem
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if string(fields[name]) == "null" {
			nulls = append(nulls, engine.Problem{
				Field: name, Text: name + ` null is refused; it could mean to keep or to clear; leave it out to keep it, or give "", {}, [] or 0 to clear it`,
			})
		}
	}
	if len(nulls) == 0 {
		return nil
	}
	return &engine.InvalidError{Problems: nulls}
}

func (b webhookChange) asked() (engine.WebhookEdit, error) {
	var d durations
	e := engine.WebhookEdit{
		URL: b.URL, EventTypes: b.EventTypes, Filter: b.Filter, Headers: b.Headers, Description: b.Description, Metadata: b.Metadata,
		Schedule: d.list("schedule", b.Schedule), Timeout: d.given("timeout", b.Timeout), MaxAge: d.given("maxAge", b.MaxAge),
		InFlight: b.InFlight, Rate: b.Rate, Sequential: b.Sequential,
	}
	return e, d.err()
}

type rotation struct {
	Secret  string  `doc:"whsec_ and base64 of 24 to 64 bytes; a random one if not given" json:"secret,omitempty"`
	Overlap *string `doc:"For how long the old secret signs too: 0s to 168h, 24h if not given" json:"overlap,omitempty"`
}

// durations reads waits and keeps what is wrong with them, by place.
type durations []engine.Problem

// list keeps nil and empty apart: not given, and no waits.
func (d *durations) list(field string, texts []string) []time.Duration {
	if texts == nil {
		return nil
	}
	out := make([]time.Duration, len(texts))
	for i, text := range texts {
		out[i] = d.one(fmt.Sprintf("%s[%d]", field, i), text)
	}
	return out
}

// optional reads an empty text as 0.
func (d *durations) optional(field, text string) time.Duration {
	if text == "" {
		return 0
	}
	return d.one(field, text)
}

// given keeps nil and 0 apart: not given, and none.
func (d *durations) given(field string, text *string) *time.Duration {
	if text == nil {
		return nil
	}
	out := d.one(field, *text)
	return &out
}

func (d *durations) one(field, text string) time.Duration {
	var parsed core.Duration
	if err := parsed.UnmarshalText([]byte(text)); err != nil {
		*d = append(*d, engine.Problem{Field: field, Text: err.Error()})
	}
	return time.Duration(parsed)
}

func (d *durations) err() error {
	if len(*d) == 0 {
		return nil
	}
	return &engine.InvalidError{Problems: *d}
}
