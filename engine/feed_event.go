package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A cloudEvent is an event of the log as other systems get it over the bus: CloudEvents 1.0 in JSON. With its source, its id is the event's for ever.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Time            time.Time `json:"time"`
	Company         string    `json:"company,omitempty"` // an extension attribute
	DataContentType string    `json:"datacontenttype"`
	Data            fedEvent  `json:"data"`
}

// A fedEvent is the event as the API shows it, and the payload where that is asked for.
type fedEvent struct {
	Event
	Payload json.RawMessage `json:"payload,omitempty"`
}

func newCloudEvent(engine string, event Event) cloudEvent {
	var of struct {
		Company string `json:"company"`
	}
	_ = json.Unmarshal(event.Data, &of) // an event of no company has no such field
	if event.By != nil {
		event.By = Actor{Key: event.By.Key}.Kept() // an address is personal, and nobody can take it back from a broker
	}
	return cloudEvent{
		SpecVersion: core.CloudEventsVersion, ID: strconv.FormatUint(event.Seq, 10), Source: "posthorn:" + engine, Type: core.OurEventTypes + event.Type,
		Time: event.At, Company: of.Company, DataContentType: "application/json", Data: fedEvent{Event: event},
	}
}

func (c cloudEvent) size() int { return len(c.Data.Data) + len(c.Data.Payload) }

// smaller leaves out the payload, or else the event's data; ok is false when there is nothing left to leave out.
func (c cloudEvent) smaller() (out cloudEvent, ok bool) {
	ok = c.size() > 0
	if c.Data.Payload == nil {
		c.Data.Data = nil
	}
	c.Data.Payload = nil
	return c, ok
}

// envelope has the same id each time, so that a transport that knows duplicates drops them, and the engine's id as its key: a partitioned
// transport keeps the order within a key.
func (c cloudEvent) envelope(engine string) (ports.Envelope, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return ports.Envelope{}, fmt.Errorf("write event %s: %w", c.ID, err)
	}
	return ports.Envelope{ID: engine + "/" + c.ID, Key: engine, Meta: map[string]string{"content-type": core.StructuredEvent}, Body: body}, nil
}
