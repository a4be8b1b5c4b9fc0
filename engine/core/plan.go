package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// PlanChunk is how many calls the commit that accepts a message plans at the most; a job plans the rest.
const PlanChunk = 256

// MaxData is the most bytes of a message's inline data: it leaves room in a body of 512 KiB for a resource of 256 KiB.
const MaxData = 240 << 10

// NewMessage asks to tell something. It has data, names a resource, or both.
type NewMessage struct {
	Company   string
	EventType string
	// Data is any JSON value, sent as it is but for white space.
	Data json.RawMessage
	// ResourceType and ResourceID name what the message is about; the version in force goes into the body. A resource that does not
	// exist makes the calls fail at once, with the reason.
	ResourceType, ResourceID string
	// IdempotencyKey makes the command safe to repeat for 24 hours; empty for none.
	IdempotencyKey string
}

// Check validates the message and writes its data without white space. It needs no state.
func (n NewMessage) Check() (NewMessage, error) {
	var p problems
	checkCompany(&p, n.Company)
	checkIdempotencyKey(&p, n.IdempotencyKey)
	if len(n.EventType) > maxEventType || !eventTypeForm.MatchString(n.EventType) {
		p.add("eventType", "event type %s is refused; it is words joined by dots, at most %d bytes; change it", Show(n.EventType), maxEventType)
	}
	if len(n.Data) == 0 && n.ResourceID == "" {
		p.add("data", "neither data nor a resource was given; a message tells something; give one of them")
	}
	if len(n.Data) > MaxData {
		p.add("data", "the data has %d bytes; the most is %d; send a link instead", len(n.Data), MaxData)
	}
	if len(n.Data) > 0 && (!json.Valid(n.Data) || !utf8.Valid(n.Data)) {
		p.add("data", "the data %s is not JSON in UTF-8; a body is JSON; correct it", Show(string(n.Data)))
	}
	checkDepth(&p, "data", n.Data)
	checkResource(&p, n.ResourceType, n.ResourceID)
	if err := p.err(); err != nil {
		return n, err
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, n.Data); len(n.Data) > 0 && err != nil {
		return n, fmt.Errorf("compact data: %w", err)
	}
	n.Data = tight.Bytes()
	return n, nil
}

const maxResource = 128

func checkResource(p *problems, kind, id string) {
	if (id == "") != (kind == "") || len(id) > maxResource || len(kind) > maxResource || !printable(id) || !printable(kind) {
		p.add("resource", "resource %s of type %s is refused; it has both a type and an id, each at most %d bytes of plain text; change it",
			Show(id), Show(kind), maxResource)
	}
}

// Publish accepts a message and plans its calls.
func Publish(s *State, in Inputs, now time.Time, n NewMessage, webhooks []Webhook) (Decision, Message, error) {
	m := MessageRef{Message: in.ID(PrefixMessage), Company: n.Company, EventType: n.EventType, HasData: len(n.Data) > 0}
	if n.ResourceID != "" {
		ref := ResourceRef{Type: n.ResourceType, ID: n.ResourceID}
		row, err := load[resourceRow](s, ResourceRowKey(n.Company, ref.Type, ref.ID))
		if err != nil {
			return Decision{}, Message{}, err
		}
		if row != nil && !row.Deleted {
			ref.Version = row.Version
		}
		m.Resource = &ref
	}
	var d Decision
	message := d.publish(in, now, m, n.Data, webhooks)
	return d, message, nil
}

// publish tells of a message and plans its calls: this is the whole of routing, and it is part of acceptance.
func (d *Decision) publish(in Inputs, now time.Time, m MessageRef, data json.RawMessage, webhooks []Webhook) Message {
	published := MessagePublished{MessageRef: m}
	if len(data) > 0 {
		m.HasData = true
		published = MessagePublished{MessageRef: m, DataDigest: d.keep(in, DataKey(m.Message), data)}
	}
	d.tell(published)
	matched := 0
	var later []string
	for _, w := range webhooks {
		if !w.Wants(m.EventType) {
			continue
		}
		if matched++; matched <= PlanChunk {
			d.request(in, now, m, w)
		} else {
			later = append(later, w.ID)
		}
	}
	switch {
	case matched == 0:
		d.tell(MessageUnmatched{Message: m.Message, Company: m.Company})
	case len(later) > 0:
		d.tell(CallsPlanned{MessageRef: m, Webhooks: later})
	}
	return Message{ID: m.Message, Company: m.Company, EventType: m.EventType, Resource: m.Resource, CreatedAt: now, Calls: matched}
}

// request begins one call, and ends it at once where it cannot be made.
func (d *Decision) request(in Inputs, createdAt time.Time, m MessageRef, w Webhook) {
	call := in.ID(PrefixCall)
	d.tell(CallRequested{MessageRef: m, Call: call, Webhook: w.ID, URL: w.URL, CreatedAt: StampOf(createdAt)})
	end := CallEnded{Call: call, Company: m.Company}
	switch {
	case !w.Enabled:
		end.Reason = WebhookIsOff
		d.tell(CallSkipped{end})
	case m.Resource != nil && m.Resource.Version == 0:
		end.Reason = ResourceMissing
		d.tell(CallFailed{end})
	}
}
