package core

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// The CloudEvents that we read and write, by version 1.0.2 of the specification.
const (
	CloudEventsVersion = "1.0"
	// StructuredEvent is the Content-Type of an event in JSON.
	StructuredEvent = structuredEvent + "; charset=utf-8"
	structuredEvent = "application/cloudevents+json"

	// OurEventTypes begins the types of the events that we publish.
	OurEventTypes = "posthorn."
)

// A cloudEvent is an event from outside: its context attributes by name, in their text form, and its data, which is nil when there is none.
type cloudEvent struct {
	attributes map[string]string
	data       []byte
}

// binaryAttributes reads the attributes of an event in binary form from headers: ce-type as in HTTP and NATS, percent-encoded; ce_type, which
// is the stronger, as in Kafka.
func binaryAttributes(meta map[string]string) (attributes map[string]string, ok bool) {
	attributes = map[string]string{}
	for header, value := range meta {
		if name, is := strings.CutPrefix(header, "ce-"); is {
			attributes[name] = value
			if plain, err := url.PathUnescape(value); err == nil { // else it has a percent sign that was not encoded
				attributes[name] = plain
			}
		}
	}
	for header, value := range meta {
		if name, is := strings.CutPrefix(header, "ce_"); is {
			attributes[name] = value
		}
	}
	if _, ok = attributes["specversion"]; ok {
		attributes["datacontenttype"] = cmp.Or(contentType(meta), attributes["datacontenttype"])
	}
	return attributes, ok
}

func contentType(meta map[string]string) string {
	return cmp.Or(meta["content-type"], meta["content_type"])
}

// cloudEvent reads an event in structured form. An attribute that is null is absent.
func (p *problems) cloudEvent(fields map[string]json.RawMessage) cloudEvent {
	e := cloudEvent{attributes: map[string]string{}}
	for name, raw := range fields {
		switch name {
		case "data":
			e.data = raw
		case "data_base64":
			var err error
			if e.data, err = base64.StdEncoding.DecodeString(p.text(fields, name)); err != nil {
				p.add(name, "data_base64 %s is refused: it is not base64; encode the data so, or give JSON in data", Show(string(raw)))
			}
		default:
			e.attributes[name] = p.attribute(name, raw)
		}
	}
	if _, ok := fields["data_base64"]; ok && fields["data"] != nil {
		p.add("data", "data and data_base64 are both there; an event has one of them; leave one out")
	}
	return e
}

// attribute returns the text form of an attribute's value: a text as it is, numbers and booleans as they are written.
func (p *problems) attribute(name string, raw json.RawMessage) string {
	var text string
	switch {
	case string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	case raw[0] == '{' || raw[0] == '[':
		p.add(name, "attribute %s %s is refused; an attribute is a text, a number or a boolean; put what is larger into the data",
			Show(name), Show(string(raw)))
	}
	return string(raw)
}

// submission makes of an event what it asks for: a candidate for the type that stands for one, else a message of its type.
func (e cloudEvent) submission(p *problems) Submission {
	a := e.attributes
	e.check(p)
	s := Submission{Scope: scopeByEvent}
	k := eventKey(a["source"], a["id"])
	if a["type"] == typeNewCandidate {
		s.Candidate = candidateOf(a["company"], k, p.object("data", e.data))
	} else {
		s.Message = &NewMessage{Company: a["company"], EventType: a["type"], Data: e.data, IdempotencyKey: k}
	}
	return s
}

func (e cloudEvent) check(p *problems) {
	a := e.attributes
	if a["specversion"] != CloudEventsVersion {
		p.add("specversion", "specversion %s is refused; the inbox takes CloudEvents %s; send that version", Show(a["specversion"]), CloudEventsVersion)
	}
	for _, name := range []string{"id", "source"} {
		if a[name] == "" {
			p.add(name, "attribute %s is missing; source and id tell an event from all others; give both", name)
		}
	}
	if t := mediaType(a["datacontenttype"]); t != "" && t != "application/json" && t != "text/json" && !strings.HasSuffix(t, "+json") {
		p.add("datacontenttype", "data of type %s is refused; webhooks are told JSON; send JSON, or a text as a JSON string", Show(t))
	}
	// Our own events, led back into the inbox, would make new ones for ever.
	if strings.HasPrefix(a["type"], OurEventTypes) && a["type"] != typeNewCandidate {
		p.add("type", "event type %s is refused; types that begin with %s are the engine's own events; use another type", Show(a["type"]), OurEventTypes)
	}
}

// eventKey stands for source and id, whatever their length.
func eventKey(source, id string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s%s", len(source), source, id))
	return hex.EncodeToString(sum[:16])
}
