package core

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxInbox is the most bytes of what comes in over the bus, the same as of a request's body.
const MaxInbox = 512 << 10

// The scopes of the inbox's idempotency keys. They are not those of the API, so that no key from outside meets one of these.
const (
	inboxScope      = "inbox/"
	scopeByKey      = inboxScope + "key"      // the publisher gave a key
	scopeByEvent    = inboxScope + "event"    // source and id of a CloudEvent
	scopeByEnvelope = inboxScope + "envelope" // the envelope's id, where there is neither
)

// A Submission is what somebody has put into the inbox to be accepted: either a message or a candidate. Its idempotency key is set.
type Submission struct {
	// Scope is what the key is unique in, beside the company.
	Scope     string
	Message   *NewMessage
	Candidate *NewCandidate
}

// ParseSubmission reads what came in over the bus under an envelope's id: our JSON, or a CloudEvent 1.0 in its structured form, or in its
// binary form with its attributes in meta. What it returns has still to be checked. The error is an InvalidError: the same bytes will
// never be acceptable.
func ParseSubmission(id string, meta map[string]string, body []byte) (Submission, error) {
	var p problems
	if len(body) > MaxInbox {
		p.add("body", "the body has %d bytes; the most is %d; send less, or a link", len(body), MaxInbox)
		return Submission{}, p.err()
	}
	if attributes, ok := binaryAttributes(meta); ok {
		return cloudEvent{attributes, body}.submission(&p), p.err()
	}
	fields := p.object("body", body)
	if err := p.err(); err != nil {
		return Submission{}, err
	}
	if _, ok := fields["specversion"]; ok || mediaType(contentType(meta)) == structuredEvent {
		return p.cloudEvent(fields).submission(&p), p.err()
	}
	return p.submission(id, fields), p.err()
}

// submission reads our own form: the company, a key, and under message or candidate what the API's routes take as their body.
func (p *problems) submission(id string, fields map[string]json.RawMessage) Submission {
	p.only(fields, "", "company", "idempotencyKey", "message", "candidate")
	s := Submission{Scope: scopeByKey}
	company, k := p.text(fields, "company"), p.text(fields, "idempotencyKey")
	if k == "" {
		s.Scope, k = scopeByEnvelope, id
	}
	message, isMessage := fields["message"]
	profile, isCandidate := fields["candidate"]
	switch {
	case k == "":
		p.add("idempotencyKey", "neither an idempotency key nor an envelope id was given; without one, what comes twice would be told twice; give a key")
	case isMessage && isCandidate:
		p.add("message", "message and candidate are both there; an envelope holds one of them; send two envelopes")
	case !isMessage && !isCandidate:
		p.add("message", "neither message nor candidate is there; an envelope holds one of them; give one")
	case isMessage:
		s.Message = p.message(company, k, message)
	default:
		s.Candidate = candidateOf(company, k, p.object("candidate", profile))
	}
	return s
}

func (p *problems) message(company, k string, raw json.RawMessage) *NewMessage {
	fields := p.object("message", raw)
	p.only(fields, "message.", "eventType", "data", "resource")
	n := &NewMessage{Company: company, EventType: p.text(fields, "eventType"), Data: fields["data"], IdempotencyKey: k}
	if raw, ok := fields["resource"]; ok {
		resource := p.object("message.resource", raw)
		p.only(resource, "message.resource.", "type", "id")
		n.ResourceType, n.ResourceID = p.text(resource, "type"), p.text(resource, "id")
	}
	return n
}

// object reads a JSON object whose values stay as they are. Of a name that stands twice the last value holds, as in JavaScript.
func (p *problems) object(where string, raw []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(raw, &fields)
	syntax, broken := errors.AsType[*json.SyntaxError](err)
	switch {
	case !utf8.Valid(raw):
		p.add(where, "%s is refused: it is not UTF-8, which JSON is written in; encode it so", where)
	case broken:
		p.add(where, "%s is refused: it is not JSON, %v at byte %d; correct it", where, err, syntax.Offset)
	case fields == nil: // another value, or null
		p.add(where, "%s is refused: it is JSON, but not an object; send one, in braces", where)
	}
	return fields
}

// only refuses other names than the known ones: a misspelt one would change what is meant.
func (p *problems) only(fields map[string]json.RawMessage, path string, known ...string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			p.add(path+name, "%s is refused; the inbox knows no such name; correct it or leave it out", Show(path+name))
		}
	}
}

// text reads a field that is a string, or absent.
func (p *problems) text(fields map[string]json.RawMessage, name string) string {
	var text string
	if raw, ok := fields[name]; ok && (json.Unmarshal(raw, &text) != nil || string(raw) == "null") {
		p.add(name, "%s %s is refused; it is a text; put it in quotes", name, Show(string(raw)))
	}
	return text
}

// mediaType is a Content-Type without its parameters.
func mediaType(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(name))
}
