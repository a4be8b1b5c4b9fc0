package core

import (
	"encoding/json"
	"fmt"
)

// A Routing is what a message is planned by: the company's webhooks, and what is known of their filters.
type Routing struct {
	Webhooks []Webhook
	Verdicts Verdicts
}

// A Verdict is what a filter said of a message.
type Verdict int

// The verdicts.
const (
	Unjudged Verdict = iota
	Matches
	Differs
	Broken // it could not be evaluated, or not within its bounds
)

// Verdicts are what filters said of one content. Judging takes time and may fail, so it is not done while deciding: a decision that lacks
// a verdict asks for it by an UnjudgedError, and is made again.
type Verdicts struct {
	Content  Content
	ByFilter map[string]Verdict
}

// Content is what filters look at.
type Content struct {
	EventType string
	Data      json.RawMessage
	// Resource names the version that the message is about, nil for none; Body is that version's body where the message's own command makes it,
	// and else has to be read.
	Resource *ResourceRef
	Body     json.RawMessage
}

// same tells whether verdicts on one content hold for the other. Both are of the same command, so only what the command found can differ:
// which version is in force.
func (c Content) same(other Content) bool { return c.version() == other.version() }

func (c Content) version() int {
	if c.Resource == nil {
		return 0
	}
	return c.Resource.Version
}

// An UnjudgedError asks for the verdicts of filters on a content. Nothing was stored.
type UnjudgedError struct {
	Content Content
	Filters []string
}

func (e *UnjudgedError) Error() string {
	return fmt.Sprintf("%d filters have not been judged; judge them and decide again", len(e.Filters))
}

// A routed webhook is one that a message is for.
type routed struct {
	Webhook
	verdict Verdict
}

// match returns the webhooks that the message is for, and those whose filters are broken.
func (r Routing) match(m MessageRef, data, body json.RawMessage) ([]routed, error) {
	content := Content{EventType: m.EventType, Data: data, Resource: m.Resource, Body: body}
	holds := r.Verdicts.Content.same(content)
	var out []routed
	var unjudged []string
	for _, w := range r.Webhooks {
		if !w.Wants(m.EventType) {
			continue
		}
		verdict := Matches
		if w.Filter != "" {
			verdict = Unjudged
			if holds {
				verdict = r.Verdicts.ByFilter[w.Filter]
			}
		}
		switch verdict {
		case Unjudged:
			unjudged = append(unjudged, w.Filter)
		case Matches, Broken:
			out = append(out, routed{w, verdict})
		case Differs:
		}
	}
	if len(unjudged) > 0 {
		return nil, &UnjudgedError{Content: content, Filters: unjudged}
	}
	return out, nil
}
