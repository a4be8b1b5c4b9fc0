package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// PlanChunk is how many calls one decision plans at the most; jobs plan the rest.
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
	if Announced(n.EventType) || n.EventType == TypeTest {
		p.add("eventType", "event type %s is refused; only Posthorn itself tells of that; use another name", Show(n.EventType))
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

// Publish accepts a message and plans its calls. It returns an UnjudgedError when r lacks verdicts.
func Publish(s *State, in Inputs, now time.Time, n NewMessage, r Routing) (Decision, Message, error) {
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
	message, err := d.publish(in, now, m, n.Data, nil, r)
	return d, message, err
}

// publish tells of a message and plans its calls: this is the whole of routing, and it is part of acceptance. resource is the body of m's
// resource where the same decision makes it.
func (d *Decision) publish(in Inputs, now time.Time, m MessageRef, data, resource json.RawMessage, r Routing) (Message, error) {
	matched, err := r.match(m, data, resource)
	if err != nil {
		return Message{}, err
	}
	published := MessagePublished{MessageRef: m}
	if len(data) > 0 {
		m.HasData = true
		published = MessagePublished{MessageRef: m, DataDigest: d.keep(in, DataKey(m.Message), data)}
	}
	d.tell(published)
	var later, brokenLater []string
	for _, w := range matched {
		switch {
		case d.planned < PlanChunk && w.verdict == Broken:
			d.skip(in, now, m, w.Webhook, FilterFailed)
		case d.planned < PlanChunk:
			d.request(in, now, now, m, w.Webhook)
		case w.verdict == Broken:
			brokenLater = append(brokenLater, w.ID)
		default:
			later = append(later, w.ID)
		}
		d.planned++
	}
	if len(matched) == 0 {
		d.tell(MessageUnmatched{m})
	}
	if len(later) > 0 {
		d.tell(CallsPlanned{MessageRef: m, Webhooks: later})
	}
	if len(brokenLater) > 0 {
		d.tell(CallsPlanned{MessageRef: m, Webhooks: brokenLater, Reason: FilterFailed})
	}
	return Message{ID: m.Message, Company: m.Company, EventType: m.EventType, Resource: m.Resource, CreatedAt: now, Calls: len(matched)}, nil
}

// requested begins a call. createdAt is the message's time, now that of the decision, which the call's age counts from.
func requested(in Inputs, createdAt, now time.Time, m MessageRef, w Webhook) CallRequested {
	e := CallRequested{
		MessageRef: m, Call: in.ID(PrefixCall), Webhook: w.ID, URL: w.URL, CreatedAt: StampOf(createdAt), Ordered: w.Sequential,
	}
	if w.MaxAge > 0 {
		e.ExpiresAt = StampOf(roundUp(now.Add(time.Duration(w.MaxAge))))
	}
	return e
}

// request begins one call, and ends it at once where it cannot be made.
func (d *Decision) request(in Inputs, createdAt, now time.Time, m MessageRef, w Webhook) {
	if !w.Enabled {
		d.skip(in, createdAt, m, w, WebhookIsOff)
		return
	}
	e := requested(in, createdAt, now, m, w)
	d.tell(e)
	if m.Resource != nil && m.Resource.Version == 0 {
		d.tell(CallFailed{CallEnded{Call: e.Call, Company: m.Company, Reason: ResourceMissing}})
	}
}

// skip begins a call and ends it, so that it can be seen that it was not made, and why.
func (d *Decision) skip(in Inputs, createdAt time.Time, m MessageRef, w Webhook, reason Reason) {
	e := CallRequested{MessageRef: m, Call: in.ID(PrefixCall), Webhook: w.ID, URL: w.URL, CreatedAt: StampOf(createdAt)}
	d.tell(e, CallSkipped{CallEnded{Call: e.Call, Company: m.Company, Reason: reason}})
}
