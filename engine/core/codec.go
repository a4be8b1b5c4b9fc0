package core

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"posthorn/ports"
)

// A kind is one event type in the log: its written name, the version written today, and for every older version the step that
// lifts its JSON by one. A name, once written, is never used for anything else.
type kind struct {
	name    string
	version int
	zero    Event
	// upcasts[i] lifts version i+1 to i+2; len(upcasts) == version-1.
	upcasts []func(json.RawMessage) (json.RawMessage, error)
}

// A Codec writes entries of events and reads them back, old versions included. It is immutable.
type Codec struct {
	byName map[string]kind
	byType map[reflect.Type]kind
}

// NewCodec returns the codec of all events.
func NewCodec() *Codec { return newCodec(kinds()) }

func kinds() []kind {
	zeros := []Event{
		EngineStarted{},
		WebhookRegistered{},
		WebhookUpdated{},
		WebhookEnabled{},
		WebhookDisabled{},
		WebhookDeleted{},
		MessagePublished{},
		MessageUnmatched{},
		CallsPlanned{},
		CallRequested{},
		CallAttempted{},
		CallSucceeded{},
		CallFailed{},
		CallSkipped{},
		CallCancelled{},
		JobEnded{},
		KeyUsed{},
		KeysExpired{},
	}
	zeros = append(zeros, candidateEvents()...)
	all := make([]kind, len(zeros))
	for i, z := range zeros {
		// The Go name is the written name: a type that is renamed must keep its old name here.
		all[i] = kind{name: reflect.TypeOf(z).Name(), version: 1, zero: z}
	}
	return all
}

func newCodec(all []kind) *Codec {
	c := &Codec{byName: map[string]kind{}, byType: map[reflect.Type]kind{}}
	for _, k := range all {
		c.byName[k.name] = k
		c.byType[reflect.TypeOf(k.zero)] = k
	}
	return c
}

// TypeName returns the written name of an event.
func (c *Codec) TypeName(e Event) string { return c.byType[reflect.TypeOf(e)].name }

type writtenEntry struct {
	At     time.Time      `json:"at"`
	Events []writtenEvent `json:"events"`
}

type writtenEvent struct {
	Type    string          `json:"type"`
	Version int             `json:"v"`
	Data    json.RawMessage `json:"data"`
}

// Encode writes the events of one command, decided at one time.
func (c *Codec) Encode(at time.Time, events []Event) ([]byte, error) {
	out := struct {
		At     time.Time `json:"at"`
		Events []any     `json:"events"`
	}{At: at, Events: make([]any, len(events))}
	for i, e := range events {
		k, ok := c.byType[reflect.TypeOf(e)]
		if !ok {
			return nil, fmt.Errorf("encode event: %T is not in the codec; add it to kinds", e)
		}
		out.Events[i] = struct {
			Type    string `json:"type"`
			Version int    `json:"v"`
			Data    Event  `json:"data"`
		}{k.name, k.version, e}
	}
	return json.Marshal(out)
}

// Decode reads an entry back. It returns ErrDamaged for bytes that no version of this program has written, and says so by
// name for a type or version that is newer than this program.
func (c *Codec) Decode(entry ports.Entry) ([]Recorded, error) {
	var w writtenEntry
	if err := json.Unmarshal(entry.Data, &w); err != nil {
		return nil, fmt.Errorf("decode entry %d: %w: %w; run `posthorn log verify`", entry.Last, ports.ErrDamaged, err)
	}
	if n := uint64(len(w.Events)); n == 0 || entry.Last < entry.First || entry.Last-entry.First != n-1 {
		return nil, fmt.Errorf("decode entry %d: %w: it holds %d events for the places %d to %d; run `posthorn log verify`",
			entry.Last, ports.ErrDamaged, n, entry.First, entry.Last)
	}
	out := make([]Recorded, len(w.Events))
	for i, e := range w.Events {
		event, err := c.decodeEvent(e)
		if err != nil {
			return nil, fmt.Errorf("decode event %d: %w", entry.First+uint64(i), err)
		}
		out[i] = Recorded{Seq: entry.First + uint64(i), At: w.At, Event: event}
	}
	return out, nil
}

func (c *Codec) decodeEvent(w writtenEvent) (Event, error) {
	k, ok := c.byName[w.Type]
	if !ok || w.Version > k.version {
		return nil, fmt.Errorf("type %s version %d is unknown: it was written by a newer program; use that one", Show(w.Type), w.Version)
	}
	if w.Version < 1 {
		return nil, fmt.Errorf("type %s has version %d: %w", w.Type, w.Version, ports.ErrDamaged)
	}
	data := w.Data
	for _, lift := range k.upcasts[w.Version-1:] {
		var err error
		if data, err = lift(data); err != nil {
			return nil, fmt.Errorf("lift %s from version %d: %w: %w", w.Type, w.Version, ports.ErrDamaged, err)
		}
	}
	event := reflect.New(reflect.TypeOf(k.zero))
	if err := json.Unmarshal(data, event.Interface()); err != nil {
		return nil, fmt.Errorf("type %s: %w: %w", w.Type, ports.ErrDamaged, err)
	}
	return event.Elem().Interface().(Event), nil //nolint:forcetypeassert // kinds holds Events
}
