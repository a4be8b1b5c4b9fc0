package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/ports"
)

// examples holds one event of each type, every field set.
func examples() []Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	ref := ResourceRef{Type: "candidate", ID: "cand_1", Version: 2}
	message := MessageRef{Message: "msg_1", Company: "42", EventType: "invoice.paid", Resource: &ref, HasData: true}
	version := ResourceVersion{ResourceRef: ref, Company: "42", Digest: "d1"}
	schedule := []Duration{Duration(5 * time.Second), Duration(90 * time.Minute)}
	ended := CallEnded{Call: "call_1", Company: "42"}
	return []Event{
		EngineStarted{Engine: "eng_1", Epoch: 7},
		WebhookRegistered{
			Webhook: "wh_1", Company: "42", URL: "https://a.example/?a=1&b=2", EventTypes: []string{"invoice.*"}, Description: "books",
			Schedule: schedule, Timeout: Duration(15 * time.Second), Seed: true, SecretDigest: "d2",
		},
		WebhookUpdated{
			Webhook: "wh_1", Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}, Description: "books",
			Schedule: schedule, Timeout: Duration(15 * time.Second),
		},
		WebhookEnabled{Webhook: "wh_1", Company: "42"},
		WebhookDisabled{Webhook: "wh_1", Company: "42", Reason: DisabledByHand},
		WebhookDeleted{Webhook: "wh_1", Company: "42"},
		MessagePublished{MessageRef: message, DataDigest: "d3"},
		MessageUnmatched{Message: "msg_1", Company: "42"},
		CallsPlanned{MessageRef: message, Webhooks: []string{"wh_257", "wh_258"}},
		CallRequested{MessageRef: message, Call: "call_1", Webhook: "wh_1", URL: "https://a.example/", CreatedAt: at, RetryOf: "call_0"},
		CallAttempted{
			Call: "call_1", Company: "42", Attempt: 1, Lease: 2, Epoch: 7, StartedAt: at, TookMS: 12, Status: 500, Class: ports.ClassStatus,
			Error: "the receiver answered 500", Response: &Response{Digest: "d4", Bytes: 5, Truncated: true}, NextAt: &at,
		},
		CallSucceeded{ended},
		CallFailed{CallEnded{Call: "call_1", Company: "42", Reason: ScheduleUsedUp}},
		CallSkipped{CallEnded{Call: "call_1", Company: "42", Reason: WebhookIsOff}},
		CallCancelled{CallEnded{Call: "call_1", Company: "42", Reason: CancelledByHand}},
		JobEnded{Job: JobName(7, 0)},
		KeyUsed{Company: "42", Route: "POST /v1/messages", Key: "k", Fingerprint: "f", Answer: `{"id":"msg_1"}`},
		KeysExpired{Keys: []UsedKey{{Company: "42", Route: "POST /v1/messages", Key: "k"}}},
		CandidateCreated{version},
		CandidateUpdated{version},
		CandidateApplied{version},
		CandidateStateChanged{version},
		CandidateDeleted{version},
	}
}

// TestWrittenForm: what stands in logs is never written otherwise. A line of the golden may be added, none changed: a new form is a
// new version, with an upcast from the old one.
func TestWrittenForm(t *testing.T) {
	t.Parallel()
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
	var out strings.Builder
	missing := map[string]bool{}
	for name := range c.byName {
		missing[name] = true
	}
	for _, e := range examples() {
		delete(missing, c.TypeName(e))
		data, err := c.Encode(at, []Event{e})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", data)
		got, err := c.Decode(ports.Entry{First: 9, Last: 9, Data: data})
		if diff := cmp.Diff([]Recorded{{Seq: 9, At: at, Event: e}}, got); err != nil || diff != "" {
			t.Errorf("%T comes back otherwise (%v) (-written +read):\n%s", e, err, diff)
		}
		if empty := unset(reflect.ValueOf(e)); len(empty) > 0 && c.TypeName(e) != "CallSucceeded" {
			t.Errorf("the example of %T leaves %v unset, so that its written form is not seen", e, empty)
		}
	}
	if len(missing) > 0 {
		t.Errorf("event types without an example: %v", missing)
	}
	golden(t, "codec.golden", out.String())
}

// unset names the fields of a struct that are zero.
func unset(v reflect.Value) (names []string) {
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
		if v.Field(i).Kind() == reflect.Struct && v.Type().Field(i).Anonymous {
			names = append(names, unset(v.Field(i))...)
		}
	}
	return names
}

// renamedV2 is an event whose first version called the field "old".
type renamedV2 struct {
	New   string `json:"new"`
	Added int    `json:"added"`
}

func (renamedV2) event() {}

func codecV2() *Codec {
	lift := func(old json.RawMessage) (json.RawMessage, error) {
		var v1 struct {
			Old *string `json:"old"`
		}
		if err := json.Unmarshal(old, &v1); err != nil {
			return nil, err
		}
		if v1.Old == nil {
			return nil, errors.New("field old is missing")
		}
		return json.Marshal(renamedV2{New: *v1.Old, Added: 1})
	}
	return newCodec([]kind{{
		name: "Renamed", version: 2, zero: renamedV2{}, upcasts: []func(json.RawMessage) (json.RawMessage, error){lift},
	}})
}

func TestUpcast(t *testing.T) {
	t.Parallel()
	c := codecV2()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	data, err := c.Encode(at, []Event{renamedV2{New: "today", Added: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"at":"2026-01-02T03:04:05Z","events":[{"type":"Renamed","v":2,"data":{"new":"today","added":5}}]}`; string(data) != want {
		t.Errorf("written %s\nwant    %s", data, want)
	}
	old := `{"at":"2026-01-02T03:04:05Z","events":[{"type":"Renamed","v":1,"data":{"old":"then"}},{"type":"Renamed","v":2,"data":{"new":"today"}}]}`
	got, err := c.Decode(ports.Entry{First: 1, Last: 2, Data: []byte(old)})
	want := []Recorded{{Seq: 1, At: at, Event: renamedV2{New: "then", Added: 1}}, {Seq: 2, At: at, Event: renamedV2{New: "today"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("lifted otherwise (%v) (-want +got):\n%s", err, diff)
	}
}

// TestDecodeRefuses holds the texts too: who sees one has a log that this program cannot read.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	entry := func(events string) string { return `{"at":"2026-01-02T03:04:05Z","events":[` + events + `]}` }
	rows := []struct {
		name    string
		codec   *Codec
		data    string
		damaged bool
		first   uint64
		last    uint64
	}{
		{"unknown type", NewCodec(), entry(`{"type":"CallPaused","v":1,"data":{}}`), false, 7, 7},
		{"newer version", NewCodec(), entry(`{"type":"JobEnded","v":2,"data":{}}`), false, 7, 7},
		{"version 0", NewCodec(), entry(`{"type":"JobEnded","v":0,"data":{}}`), true, 7, 7},
		{"no version", NewCodec(), entry(`{"type":"JobEnded","data":{}}`), true, 7, 7},
		{"no data", NewCodec(), entry(`{"type":"JobEnded","v":1}`), true, 7, 7},
		{"data of another form", NewCodec(), entry(`{"type":"JobEnded","v":1,"data":[]}`), true, 7, 7},
		{"a bad duration", NewCodec(), entry(`{"type":"WebhookUpdated","v":1,"data":{"timeout":"soon"}}`), true, 7, 7},
		{"cut", NewCodec(), `{"at":"2026-01-02T03:04:05Z","events":[{"type":"JobEnded","v":1,"da`, true, 7, 7},
		{"empty", NewCodec(), ``, true, 7, 7},
		{"no events", NewCodec(), entry(``), true, 7, 7},
		{"fewer events than places", NewCodec(), entry(`{"type":"JobEnded","v":1,"data":{}}`), true, 7, 8},
		{"more events than places", NewCodec(), entry(`{"type":"JobEnded","v":1,"data":{}},{"type":"JobEnded","v":1,"data":{}}`), true, 7, 7},
		{"places backwards", NewCodec(), entry(`{"type":"JobEnded","v":1,"data":{}}`), true, 8, 7},
		{"the second of two", NewCodec(), entry(`{"type":"JobEnded","v":1,"data":{}},{"type":"X","v":1,"data":{}}`), false, 7, 8},
		{"cannot be lifted", codecV2(), entry(`{"type":"Renamed","v":1,"data":{"new":"x"}}`), true, 7, 7},
		{"lifts twice", codecV2(), entry(`{"type":"Renamed","v":3,"data":{}}`), false, 7, 7},
	}
	var out strings.Builder
	for _, r := range rows {
		got, err := r.codec.Decode(ports.Entry{First: r.first, Last: r.last, Data: []byte(r.data)})
		if err == nil || got != nil || errors.Is(err, ports.ErrDamaged) != r.damaged {
			t.Errorf("%s: decoded to %v, %v; want an error, damaged %v", r.name, got, err, r.damaged)
		}
		fmt.Fprintf(&out, "%s: %v\n", r.name, err)
	}
	golden(t, "codec-errors.golden", out.String())
}

func TestEncodeRefusesStrangers(t *testing.T) {
	t.Parallel()
	if _, err := NewCodec().Encode(time.Time{}, []Event{strange{}}); err == nil {
		t.Error("an event that is not in the codec was encoded")
	}
	if _, err := NewCodec().Encode(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), []Event{JobEnded{}}); err == nil {
		t.Error("a time that JSON cannot hold was encoded")
	}
}

// FuzzDecodeEntry: no bytes make Decode panic, and what it reads is written and read again as the same.
func FuzzDecodeEntry(f *testing.F) {
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, e := range examples() {
		data, err := c.Encode(at, []Event{e})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint8(1))
		f.Add(data[:len(data)/2], uint8(1))
	}
	all, err := c.Encode(at, examples())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all, uint8(len(examples())))
	f.Add([]byte(`{"events":[{"type":"JobEnded","v":1,"data":null}]}`), uint8(1))
	f.Add([]byte(`{"events":[{"type":"JobEnded","v":-1,"data":{}}]}`), uint8(1))
	f.Add([]byte(`{"at":"2026-01-02T03:04:05+23:59","events":[{"type":"JobEnded","v":1,"data":{"job":"\ud800"}}]}`), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, count uint8) {
		entry := ports.Entry{First: 3, Last: 2 + uint64(count), Data: data}
		read, err := c.Decode(entry)
		if err != nil {
			return
		}
		events := make([]Event, len(read))
		for i, r := range read {
			events[i] = r.Event
		}
		if entry.Data, err = c.Encode(read[0].At, events); err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := c.Decode(entry)
		if diff := cmp.Diff(read, again); err != nil || diff != "" {
			t.Fatalf("read again otherwise (%v) (-first +second):\n%s", err, diff)
		}
	})
}
