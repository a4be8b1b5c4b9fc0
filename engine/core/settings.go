package core

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Settings are what a company asks of a webhook: whom to call, for what, and how. They stand in the webhook's row and in the events that set
// them, each time as a whole. Headers and secrets are set by events of their own, for they are sealed.
type Settings struct {
	URL string `json:"url" cbor:"11,keyasint,omitempty"`
	// EventTypes are names (invoice.paid), prefixes (invoice.*) or * for all.
	EventTypes []string `json:"eventTypes" cbor:"39,keyasint"`
	// Filter is a condition on the message's content in CEL, empty for none; docs/filters.md.
	Filter string `json:"filter,omitempty" cbor:"59,keyasint,omitempty"`
	// Description is free text of the company's, Metadata its own keys and values.
	Description string            `json:"description,omitempty" cbor:"40,keyasint,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty" cbor:"60,keyasint,omitempty"`
	// Schedule holds the waits between attempts: n waits make n+1 attempts.
	Schedule []Duration `json:"schedule" cbor:"41,keyasint"`
	// Timeout bounds one attempt.
	Timeout Duration `json:"timeout" cbor:"42,keyasint,omitempty"`
	// MaxAge is how long after its message a call may still be attempted; 0 for as long as the schedule.
	MaxAge Duration `json:"maxAge,omitempty" cbor:"61,keyasint,omitempty"`
	// InFlight is the most attempts under way at once; 0 leaves it to the engine, whose most is MaxInFlight.
	InFlight int `json:"inFlight,omitempty" cbor:"62,keyasint,omitempty"`
	// Rate is the most attempts a second; 0 for no limit.
	Rate float64 `json:"rate,omitempty" cbor:"63,keyasint,omitempty"`
	// Sequential calls wait until the one before has ended.
	Sequential bool `json:"sequential,omitempty" cbor:"64,keyasint,omitempty"`
}

// Limits of a webhook's settings.
const (
	maxURL         = 2048
	maxEventTypes  = 64
	maxEventType   = 128
	maxFilter      = 1024
	maxDescription = 512
	maxMetadata    = 16
	maxMetaKey     = 64
	maxMetaValue   = 256
	maxSchedule    = 32
	maxDelay       = 7 * 24 * time.Hour
	minTimeout     = time.Second
	maxTimeout     = time.Minute
	minAge         = time.Second
	maxAge         = 30 * 24 * time.Hour
	minRate        = 0.01
	maxRate        = 10_000
)

// MaxInFlight is the most attempts of one webhook that may be under way at once.
const MaxInFlight = 64

// Wants tells whether the webhook asked for an event type: by its name, by a prefix such as invoice.*, or by * alone. What the engine itself
// announces has to be asked for by name or prefix: a webhook that wants to hear all that happens to the company does not mean that.
func (w Settings) Wants(eventType string) bool {
	return slices.ContainsFunc(w.EventTypes, func(pattern string) bool {
		prefix, ok := strings.CutSuffix(pattern, "*")
		switch {
		case !ok:
			return pattern == eventType
		case prefix == "":
			return !Announced(eventType)
		}
		return strings.HasPrefix(eventType, prefix)
	})
}

// listens tells whether the webhook asked for anything that the engine announces.
func (w Settings) listens() bool { return slices.ContainsFunc(announcements(), w.Wants) }

func checkSettings(p *problems, w Settings) {
	checkURL(p, w.URL)
	checkEventTypes(p, w.EventTypes)
	checkFilter(p, w)
	checkPolicy(p, w)
	if len(w.Description) > maxDescription || !printable(w.Description) {
		p.add("description", "description %s is refused; it is at most %d bytes of plain text; shorten it", Show(w.Description), maxDescription)
	}
	checkMetadata(p, w.Metadata)
}

// checkFilter sees to the length; that it is a condition, and one with an end, is for package filter to say.
func checkFilter(p *problems, w Settings) {
	switch {
	case len(w.Filter) > maxFilter:
		p.add("filter", "the filter has %d bytes; the most is %d; shorten it", len(w.Filter), maxFilter)
	case w.Filter != "" && w.listens():
		p.add("filter", "a filter and one of the event types %s were given; what the engine announces is not filtered; "+
			"register a webhook of its own for it", strings.Join(announcements(), ", "))
	}
}

func checkPolicy(p *problems, w Settings) {
	if len(w.Schedule) > maxSchedule {
		p.add("schedule", "the schedule holds %d waits; the most is %d; leave some out", len(w.Schedule), maxSchedule)
	}
	for _, d := range w.Schedule {
		if d <= 0 || time.Duration(d) > maxDelay {
			p.add("schedule", "wait %s is refused; a wait is above 0 and at most %s; change it", d, Duration(maxDelay))
		}
	}
	if !inRange(w.Timeout, minTimeout, maxTimeout) {
		p.add("timeout", "timeout %s is refused; it is %s to %s; change it", w.Timeout, Duration(minTimeout), Duration(maxTimeout))
	}
	if w.MaxAge != 0 && !inRange(w.MaxAge, minAge, maxAge) {
		p.add("maxAge", "maxAge %s is refused; it is %s to %s, or 0 for none; change it", w.MaxAge, Duration(minAge), Duration(maxAge))
	}
	if w.InFlight < 0 || w.InFlight > MaxInFlight {
		p.add("inFlight", "inFlight %d is refused; it is 1 to %d, or 0 for the most; change it", w.InFlight, MaxInFlight)
	}
	if w.Rate != 0 && !(w.Rate >= minRate && w.Rate <= maxRate) { // so that NaN is refused too
		p.add("rate", "rate %v is refused; it is %v to %v attempts a second, or 0 for no limit; change it", w.Rate, minRate, maxRate)
	}
}

func inRange(d Duration, least, most time.Duration) bool {
	return time.Duration(d) >= least && time.Duration(d) <= most
}

func checkMetadata(p *problems, metadata map[string]string) {
	if len(metadata) > maxMetadata {
		p.add("metadata", "%d pairs of metadata were given; the most is %d; leave some out", len(metadata), maxMetadata)
	}
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		value := metadata[name]
		if name == "" || len(name) > maxMetaKey || len(value) > maxMetaValue || !printable(name) || !printable(value) {
			p.add("metadata", "metadata %s is refused; a key is 1 to %d bytes of plain text, a value at most %d; change it",
				Show(name), maxMetaKey, maxMetaValue)
		}
	}
}
