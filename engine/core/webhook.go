package core

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Webhook is a registration: where a company wants to be told of which event types, and how often to try. What is not stored under
// the numbers of its tags, webhookRow stores.
type Webhook struct {
	ID         string   `json:"id" cbor:"-"`
	Company    string   `json:"company" cbor:"-"`
	URL        string   `json:"url" cbor:"11,keyasint,omitempty"`
	EventTypes []string `json:"eventTypes" cbor:"39,keyasint"`
	// Description is free text of the company's.
	Description string `json:"description,omitempty" cbor:"40,keyasint,omitempty"`
	// Enabled is false after a disable by hand or a 410 Gone; DisabledReason says which.
	Enabled        bool   `json:"enabled" cbor:"45,keyasint,omitempty"`
	DisabledReason string `json:"disabledReason,omitempty" cbor:"46,keyasint,omitempty"`
	// Schedule holds the waits between attempts: n waits make n+1 attempts.
	Schedule []Duration `json:"schedule" cbor:"41,keyasint"`
	// Timeout bounds one attempt.
	Timeout Duration `json:"timeout" cbor:"42,keyasint,omitempty"`
	// Seed marks a webhook registered through the seed's route: one for a company and event type, retried without jitter.
	Seed      bool      `json:"seed,omitempty" cbor:"43,keyasint,omitempty"`
	CreatedAt time.Time `json:"createdAt" cbor:"-"`
	UpdatedAt time.Time `json:"updatedAt" cbor:"-"`
}

// webhookRow is the stored form. A deleted webhook's row stays, for its calls name it.
type webhookRow struct {
	Webhook
	Created      Stamp  `cbor:"12,keyasint,omitempty"`
	Updated      Stamp  `cbor:"13,keyasint,omitempty"`
	SecretDigest string `cbor:"44,keyasint,omitempty"`
	Deleted      bool   `cbor:"47,keyasint,omitempty"`
}

func (w *webhookRow) pack() { w.Created, w.Updated = StampOf(w.CreatedAt), StampOf(w.UpdatedAt) }

func (w *webhookRow) unpack(parts []string) bool {
	if len(parts) != 2 {
		return false
	}
	w.Company, w.ID = parts[0], parts[1]
	w.CreatedAt, w.UpdatedAt = w.Created.Time(), w.Updated.Time()
	return true
}

// Wants tells whether the webhook asked for an event type: by its name, by a prefix such as invoice.*, or by * alone.
func (w Webhook) Wants(eventType string) bool {
	return slices.ContainsFunc(w.EventTypes, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(eventType, prefix)
		}
		return pattern == eventType
	})
}

// A Duration is a time.Duration that is written as text, such as 1h30m.
type Duration time.Duration

// MarshalText writes the duration as time.Duration does, without trailing zero units.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %s is not one; write it like 5s, 2m or 1h30m", Show(string(text)))
	}
	*d = Duration(parsed)
	return nil
}

// String writes 5m for what time.Duration calls 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Limits of a webhook's settings.
const (
	maxURL         = 2048
	maxEventTypes  = 64
	maxEventType   = 128
	maxDescription = 512
	maxSchedule    = 32
	maxDelay       = 7 * 24 * time.Hour
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = time.Minute
)

func checkURL(p *problems, raw string) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		p.add("url", "no url was given; a webhook is called there; give an absolute http or https URL")
	case len(raw) > maxURL:
		p.add("url", "url %s has %d bytes; the most is %d; shorten it", Show(raw), len(raw), maxURL)
	case err != nil || !printable(raw) || strings.Contains(raw, " "):
		p.add("url", "url %s cannot be parsed; it is plain text without spaces; give an absolute http or https URL", Show(raw))
	case u.User != nil:
		p.add("url", "the url holds a user or password; they would stand in the history; put a token into the path instead")
	case u.Scheme != "http" && u.Scheme != "https":
		p.add("url", "url %s has scheme %s; only http and https are called; change it", Show(raw), Show(u.Scheme))
	case !validPort(u.Port()):
		p.add("url", "url %s has port %s; a port is 1 to 65535; correct it", Show(raw), Show(u.Port()))
	case u.Hostname() == "":
		p.add("url", "url %s has no host; a webhook needs one to be called; add it", Show(raw))
	case u.Fragment != "":
		p.add("url", "url %s has a fragment; it is never sent; remove what follows #", Show(raw))
	}
}

// validPort accepts an absent port, which is the scheme's.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// One segment is letters, digits, _ or -; segments are joined by dots.
var (
	eventTypeForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	patternForm   = regexp.MustCompile(`^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$`)
)

func checkEventTypes(p *problems, types []string) {
	if len(types) == 0 || len(types) > maxEventTypes {
		p.add("eventTypes", "%d event types were given; a webhook names 1 to %d; use * for all", len(types), maxEventTypes)
	}
	for _, t := range types {
		if len(t) > maxEventType || !patternForm.MatchString(t) {
			p.add("eventTypes",
				"event type %s is refused; it is words joined by dots, or ends in .*, or is * alone, at most %d bytes; change it",
				Show(t), maxEventType)
		}
	}
}

func checkPolicy(p *problems, schedule []Duration, timeout Duration) {
	if len(schedule) > maxSchedule {
		p.add("schedule", "the schedule holds %d waits; the most is %d; leave some out", len(schedule), maxSchedule)
	}
	for _, d := range schedule {
		if d <= 0 || time.Duration(d) > maxDelay {
			p.add("schedule", "wait %s is refused; a wait is above 0 and at most %s; change it", d, Duration(maxDelay))
		}
	}
	if time.Duration(timeout) < minTimeout || time.Duration(timeout) > maxTimeout {
		p.add("timeout", "timeout %s is refused; it is %s to %s; change it", timeout, Duration(minTimeout), Duration(maxTimeout))
	}
}

func checkWebhook(p *problems, w Webhook) {
	checkURL(p, w.URL)
	checkEventTypes(p, w.EventTypes)
	checkPolicy(p, w.Schedule, w.Timeout)
	if len(w.Description) > maxDescription || !printable(w.Description) {
		p.add("description", "description %s is refused; it is at most %d bytes of plain text; shorten it", Show(w.Description), maxDescription)
	}
}
