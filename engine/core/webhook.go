package core

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Webhook is a registration: where a company wants to be told of which event types, and how. What is not stored under the numbers of its
// tags, webhookRow stores.
type Webhook struct {
	ID      string `json:"id" cbor:"-"`
	Company string `json:"company" cbor:"-"`
	Settings
	// Headers are sent with every attempt, as far as they may be shown: the values of sensitive ones are masked.
	Headers map[string]string `json:"headers,omitempty" cbor:"65,keyasint,omitempty"`
	// Enabled is false after a disable by hand, a 410 Gone, or DefaultDisableAfter without a success; DisabledReason says which.
	Enabled        bool   `json:"enabled" cbor:"45,keyasint,omitempty"`
	DisabledReason string `json:"disabledReason,omitempty" cbor:"46,keyasint,omitempty"`
	// Paused calls wait until the webhook is resumed, or until their age ends them.
	Paused bool `json:"paused,omitempty" cbor:"66,keyasint,omitempty"`
	// Breaker is set while it holds the calls back, Failing since the first failure after the last success.
	Breaker *Breaker `json:"breaker,omitempty" cbor:"67,keyasint,omitempty"`
	Failing *Failing `json:"failing,omitempty" cbor:"68,keyasint,omitempty"`
	// OldSecrets sign beside the newest until their time ends, the newest of them first.
	OldSecrets []OldSecret `json:"oldSecrets,omitempty" cbor:"69,keyasint,omitempty"`
	// Seed marks a webhook registered through the seed's route: one for a company and event type, retried without jitter.
	Seed      bool      `json:"seed,omitempty" cbor:"43,keyasint,omitempty"`
	CreatedAt time.Time `json:"createdAt" cbor:"-"`
	UpdatedAt time.Time `json:"updatedAt" cbor:"-"`
}

// A Breaker is open: too many attempts failed, so calls are held back until Until, when one of them probes. A failed probe opens it for
// longer, a success closes it.
type Breaker struct {
	Reason string `json:"reason" cbor:"31,keyasint,omitempty"`
	Since  Stamp  `json:"since" cbor:"73,keyasint,omitempty"`
	Until  Stamp  `json:"until" cbor:"70,keyasint,omitempty"`
}

// An OldSecret is one that has been rotated out.
type OldSecret struct {
	SecretDigest string `json:"-" cbor:"44,keyasint,omitempty"`
	First        bool   `json:"-" cbor:"80,keyasint,omitempty"` // it came with the webhook
	Until        Stamp  `json:"until" cbor:"70,keyasint,omitempty"`
}

// webhookRow is the stored form. A deleted webhook's row stays, for its calls name it.
type webhookRow struct {
	Webhook
	Created      Stamp  `cbor:"12,keyasint,omitempty"`
	Updated      Stamp  `cbor:"13,keyasint,omitempty"`
	SecretDigest string `cbor:"44,keyasint,omitempty"`
	// Rotated says that the newest secret came by a rotation, and so stands in the vault under its digest.
	Rotated       bool   `cbor:"71,keyasint,omitempty"`
	HeadersDigest string `cbor:"72,keyasint,omitempty"`
	Deleted       bool   `cbor:"47,keyasint,omitempty"`
	// NotedBy is the event that last said since when it fails, or that it does not.
	NotedBy uint64 `cbor:"173,keyasint,omitempty"`
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
