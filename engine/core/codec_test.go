package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"posthorn/ports"
)

// examples holds events of each type; the last of a type has every field set, those before it what an earlier version wrote.
func examples() []Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	ref := ResourceRef{Type: "candidate", ID: "cand_1", Version: 2}
	message := MessageRef{Message: "msg_1", Company: "42", EventType: "invoice.paid", Resource: &ref, HasData: true}
	version := ResourceVersion{ResourceRef: ref, Company: "42", Digest: "d1"}
	schedule := []Duration{Duration(5 * time.Second), Duration(90 * time.Minute)}
	ended := CallEnded{Call: "call_1", Company: "42"}
	settings := Settings{
		URL: "https://a.example/?a=1&b=2", EventTypes: []string{"invoice.*"}, Description: "books", Schedule: schedule, Timeout: Duration(15 * time.Second),
	}
	policy := settings
	policy.Filter, policy.Metadata = `data.amount > 5`, map[string]string{"team": "books", "tier": "gold"}
	policy.MaxAge, policy.InFlight, policy.Rate, policy.Sequential = Duration(time.Hour), 8, 2.5, true
	return []Event{
		EngineStarted{Engine: "eng_1", Epoch: 7},
		WebhookRegistered{
			Webhook: "wh_1", Company: "42", Settings: settings, Seed: true, SecretDigest: "d2",
		},
		WebhookUpdated{
			Webhook: "wh_1", Company: "42", Settings: Settings{
				URL: "https://a.example/", EventTypes: []string{"*"}, Description: "books", Schedule: schedule, Timeout: Duration(15 * time.Second),
			},
		},
		WebhookEnabled{Webhook: "wh_1", Company: "42"},
		WebhookDisabled{Webhook: "wh_1", Company: "42", Reason: DisabledByHand},
		WebhookDeleted{Webhook: "wh_1", Company: "42"},
		MessagePublished{MessageRef: message, DataDigest: "d3"},
		MessageUnmatched{MessageRef{
			Message: "msg_1", Company: "42", EventType: "invoice.paid", HasData: true, Resource: &ResourceRef{Type: "candidate", ID: "cand_1", Version: 2},
		}},
		CallsPlanned{MessageRef: message, Webhooks: []string{"wh_257", "wh_258"}},
		CallRequested{MessageRef: message, Call: "call_1", Webhook: "wh_1", URL: "https://a.example/", CreatedAt: StampOf(at), RetryOf: "call_0"},
		CallAttempted{
			Call: "call_1", Company: "42", Attempt: 1, Lease: 2, Epoch: 7, StartedAt: StampOf(at), TookMS: 12, Status: 500, Class: ports.ClassStatus,
			Error: "the receiver answered 500", Response: &Response{Digest: "d4", Bytes: 5, Truncated: true}, NextAt: StampOf(at),
		},
		CallSucceeded{ended},
		CallFailed{CallEnded{Call: "call_1", Company: "42", Reason: ScheduleUsedUp}},
		CallSkipped{CallEnded{Call: "call_1", Company: "42", Reason: WebhookIsOff}},
		CallCancelled{CallEnded{Call: "call_1", Company: "42", Reason: CancelledByHand}},
		JobEnded{Job: JobName(7, 0)},
		KeyUsed{Company: "42", Route: "POST /v1/messages", Key: "k", Fingerprint: "f", Answer: `{"id":"msg_1"}`},
		KeysExpired{Keys: []ExpiredKey{{UsedKey: UsedKey{Company: "42", Route: "POST /v1/messages", Key: "k"}}}},
		CandidateCreated{version},
		CandidateUpdated{version},
		CandidateApplied{version},
		CandidateStateChanged{version},
		CandidateDeleted{version},
		WebhookRegistered{Webhook: "wh_1", Company: "42", Settings: policy, Seed: true, SecretDigest: "d2"},
		WebhookUpdated{Webhook: "wh_1", Company: "42", Settings: policy},
		WebhookHeadersSet{Webhook: "wh_1", Company: "42", Headers: map[string]string{"Authorization": Masked, "X-Team": "books"}, Digest: "d5"},
		WebhookSecretRotated{Webhook: "wh_1", Company: "42", SecretDigest: "d6", OldUntil: StampOf(at)},
		WebhookPaused{Webhook: "wh_1", Company: "42"},
		WebhookResumed{Webhook: "wh_1", Company: "42"},
		BreakerOpened{Webhook: "wh_1", Company: "42", Reason: "7 of 10 attempts failed", Until: StampOf(at), Again: true},
		BreakerClosed{Webhook: "wh_1", Company: "42"},
		CallRequested{
			MessageRef: message, Call: "call_1", Webhook: "wh_1", URL: "https://a.example/", CreatedAt: StampOf(at), RetryOf: "call_0",
			ExpiresAt: StampOf(at), Ordered: true, Once: true,
		},
		CallRequested{
			MessageRef: message, Call: "call_1", Webhook: "wh_1", URL: "https://a.example/", CreatedAt: StampOf(at), RetryOf: "call_0",
			ExpiresAt: StampOf(at), Ordered: true, Once: true, Replay: "rep_1", Planned: true,
		},
		CallAttempted{
			Call: "call_1", Company: "42", Attempt: 1, Lease: 2, Epoch: 7, StartedAt: StampOf(at), TookMS: 12, Status: 500, Class: ports.ClassStatus,
			Error: "the receiver answered 500", Response: &Response{Digest: "d4", Bytes: 5, Truncated: true}, NextAt: StampOf(at),
			Failing: &Failing{Since: StampOf(at), Seen: Duration(time.Hour)}, Recovered: true,
		},
		CallsPlanned{MessageRef: message, Webhooks: []string{"wh_257"}, Reason: FilterFailed},
		KeyCreated{APIKey: "key_1", Name: "billing", Scope: "company:42", Rate: 2.5, Hash: "ab12"},
		KeyRevoked{APIKey: "key_1"},
		WebhookResealed{Webhook: "wh_1", Company: "42", Secrets: []string{"ab12", "cd34"}, HeadersDigest: "ef56"},
		MasterKeyRotated{},
		PayloadErased{Company: "42", Message: "msg_1", Resource: &ResourceRef{Type: CandidateType, ID: "cand_1", Version: 3}},
		ReplayStarted{
			Replay: "rep_1", Company: "42", Mode: ReplayMatch, Rate: 200,
			Query: ReplayQuery{Webhook: "wh_1", EventType: "invoice.paid", State: Failed, Since: StampOf(at), Until: StampOf(at.Add(time.Hour))},
		},
		ReplayAdvanced{
			Replay: "rep_1", Company: "42", Cursor: ReplayCursor{Unmatched: true, After: "msg_1", Webhook: "wh_1"},
			Counts: ReplayCounts{Found: 3, Calls: 2, Newly: 1, Left: map[Reason]int{FilterDiffers: 4, AlreadyDelivered: 1}},
		},
		ReplayPaused{Replay: "rep_1", Company: "42"},
		ReplayResumed{Replay: "rep_1", Company: "42"},
		ReplayEnded{Replay: "rep_1", Company: "42", Reason: CancelledByHand, Counts: ReplayCounts{Found: 3, Calls: 2}},
		KeysExpired{Keys: []ExpiredKey{{UsedKey: UsedKey{Company: "42", Route: "POST /v1/messages", Key: "k"}, Seqs: []uint64{7, 9}}}},
		StreamsPruned{Company: "42", Calls: []string{"call_1"}, Messages: []string{"msg_1"}},
		LogPruned{Gone: 12},
		HealthNoted{Webhook: "wh_1", Company: "42", Failing: &Failing{Since: StampOf(at), Seen: Duration(time.Hour)}, Recovered: true},
	}
}

// TestWrittenForm: what stands in logs is never written otherwise. A line of the golden may be added, none changed: a new form is a
// new version, with an upcast from the old one. Below each entry stands what it says.
func TestWrittenForm(t *testing.T) {
	t.Parallel()
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
	var out strings.Builder
	missing, empty := map[string]bool{}, map[string][]string{}
	for _, k := range c.byNumber {
		missing[k.name] = true
	}
	for _, e := range examples() {
		delete(missing, c.TypeName(e))
		data, err := c.Encode(at, nil, []Event{e})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n%x\n%s\n\n", c.TypeName(e), data, readable(data))
		got, err := c.Decode(ports.Entry{First: 9, Last: 9, Data: data})
		if diff := cmp.Diff([]Recorded{{Seq: 9, At: at, Event: e}}, got); err != nil || diff != "" {
			t.Errorf("%T comes back otherwise (%v) (-written +read):\n%s", e, err, diff)
		}
		empty[c.TypeName(e)] = unset(reflect.ValueOf(e)) // the last example of a type has all fields
	}
	delete(empty, "CallSucceeded")
	for name, fields := range empty {
		if len(fields) > 0 {
			t.Errorf("the last example of %s leaves %v unset, so that their written form is not seen", name, fields)
		}
	}
	if len(missing) > 0 {
		t.Errorf("event types without an example: %v", missing)
	}
	golden(t, "codec.golden", out.String())
}

// TestShownForm: what answers show of each event.
func TestShownForm(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, e := range examples() {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %s\n", NewCodec().TypeName(e), data)
		read := reflect.New(reflect.TypeOf(e))
		if err := json.Unmarshal(data, read.Interface()); err != nil || cmp.Diff(e, read.Elem().Interface()) != "" {
			t.Errorf("%s is read back as %+v: %v", data, read.Elem(), err)
		}
	}
	golden(t, "events.golden", out.String())
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

// renamedV2 is an event whose first version had field 1 under number 90.
type renamedV2 struct {
	New   string `cbor:"1,keyasint"`
	Added int    `cbor:"91,keyasint,omitempty"`
}

func (renamedV2) event() {}

func codecV2() *Codec {
	return newCodec([]kind{kindOf[renamedV2](99, func(f fields) error {
		old, ok := f[90]
		if !ok {
			return errors.New("field 90 is missing")
		}
		f[1], f[91] = old, cbor.RawMessage{1}
		delete(f, 90)
		return nil
	})})
}

// written is one event as no version but a test writes it.
func written(number, version, data any) any { return []any{number, version, data} }

// entryOf writes an entry of such events.
func entryOf(tb testing.TB, events ...any) []byte {
	tb.Helper()
	data, err := stored.Marshal([]any{int64(1767323045_000_000_000), events})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// actedBy writes an entry that says who asked.
func actedBy(tb testing.TB, by any, events ...any) []byte {
	tb.Helper()
	data, err := stored.Marshal([]any{int64(1767323045_000_000_000), events, by})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

type numbered map[int]any

// TestActorForm: who asked stands behind the events of an entry, is each event's when it is read, and is bounded. An entry without is
// written as before there were actors.
func TestActorForm(t *testing.T) {
	t.Parallel()
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	by := &Actor{Key: "key_1", Remote: "192.0.2.1"}
	events := []Event{JobEnded{Job: "a"}, JobEnded{Job: "b"}}
	data, err := c.Encode(at, by, events)
	want := actedBy(t, []any{"key_1", "192.0.2.1"}, written(16, 1, numbered{49: "a"}), written(16, 1, numbered{49: "b"}))
	if err != nil || !bytes.Equal(data, want) {
		t.Errorf("written %x, %v\nwant    %x", data, err, want)
	}
	got, err := c.Decode(ports.Entry{First: 1, Last: 2, Data: data})
	both := []Recorded{{Seq: 1, At: at, By: by, Event: events[0]}, {Seq: 2, At: at, By: by, Event: events[1]}}
	if diff := cmp.Diff(both, got); err != nil || diff != "" {
		t.Errorf("read otherwise (%v) (-want +got):\n%s", err, diff)
	}
	for name, row := range map[string]struct {
		given Actor
		kept  *Actor
	}{
		"nothing":    {Actor{}, nil},
		"no UTF-8":   {Actor{Key: "a\xffb"}, &Actor{Key: "ab"}},
		"too long":   {Actor{Remote: strings.Repeat("é", maxActor)}, &Actor{Remote: strings.Repeat("é", maxActor/2)}},
		"cut inside": {Actor{Key: "x" + strings.Repeat("é", maxActor)}, &Actor{Key: "x" + strings.Repeat("é", maxActor/2-1)}},
	} {
		if diff := cmp.Diff(row.kept, row.given.Kept()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUpcast(t *testing.T) {
	t.Parallel()
	c := codecV2()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	today := written(99, 2, numbered{1: "today", 91: 5})
	data, err := c.Encode(at, nil, []Event{renamedV2{New: "today", Added: 5}})
	if want := entryOf(t, today); err != nil || !bytes.Equal(data, want) {
		t.Errorf("written %x, %v\nwant    %x", data, err, want)
	}
	data = entryOf(t, written(99, 1, numbered{90: "then"}), today)
	got, err := c.Decode(ports.Entry{First: 1, Last: 2, Data: data})
	want := []Recorded{{Seq: 1, At: at, Event: renamedV2{New: "then", Added: 1}}, {Seq: 2, At: at, Event: renamedV2{New: "today", Added: 5}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("lifted otherwise (%v) (-want +got):\n%s", err, diff)
	}
}

// TestDecodeRefuses holds the texts too: who sees one has a log that this program cannot read.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	job := written(16, 1, numbered{49: "j"})
	whole := entryOf(t, job)
	rows := []struct {
		name    string
		codec   *Codec
		data    []byte
		damaged bool
		first   uint64
		last    uint64
	}{
		{"unknown type", NewCodec(), entryOf(t, written(77, 1, numbered{})), false, 7, 7},
		{"newer version", NewCodec(), entryOf(t, written(16, 2, numbered{})), false, 7, 7},
		{"version 0", NewCodec(), entryOf(t, written(16, 0, numbered{})), true, 7, 7},
		{"a name for a type", NewCodec(), entryOf(t, written("JobEnded", 1, numbered{})), true, 7, 7},
		{"no data", NewCodec(), entryOf(t, []any{16, 1}), true, 7, 7},
		{"null for data", NewCodec(), entryOf(t, written(16, 1, nil)), true, 7, 7},
		{"data of another form", NewCodec(), entryOf(t, written(16, 1, []any{})), true, 7, 7},
		{"a bad duration", NewCodec(), entryOf(t, written(3, 1, numbered{42: "soon"})), true, 7, 7},
		{"a number of no field", NewCodec(), entryOf(t, written(16, 1, numbered{77: "x"})), true, 7, 7},
		{"a name for a number", NewCodec(), entryOf(t, written(16, 1, map[string]any{"job": "x"})), true, 7, 7},
		{"a number twice", NewCodec(), slices.Concat(whole[:len(whole)-5], []byte{0xa2, 0x18, 49, 0x61, 'j', 0x18, 49, 0x61, 'j'}), true, 7, 7},
		{"text not in UTF-8", NewCodec(), slices.Concat(whole[:len(whole)-1], []byte{0xff}), true, 7, 7},
		{"a tag", NewCodec(), entryOf(t, written(16, 1, numbered{49: cbor.Tag{Number: 0, Content: "j"}})), true, 7, 7},
		{"a map without end", NewCodec(), slices.Concat(whole[:len(whole)-5], []byte{0xbf, 0xff}), true, 7, 7},
		{"too deep", NewCodec(), entryOf(t, written(16, 1, numbered{49: [][][][][]any{{{{{1}}}}}})), true, 7, 7},
		{"a time that is text", NewCodec(), []byte("\x82\x61x\x81\x83\x10\x01\xa0"), true, 7, 7},
		{"cut", NewCodec(), whole[:len(whole)-2], true, 7, 7},
		{"more than an entry", NewCodec(), slices.Concat(whole, whole), true, 7, 7},
		{"an actor of one part", NewCodec(), actedBy(t, []any{"key_1"}, job), true, 7, 7},
		{"an actor that is text", NewCodec(), actedBy(t, "key_1", job), true, 7, 7},
		{"an actor of numbers", NewCodec(), actedBy(t, []any{1, 2}, job), true, 7, 7},
		{"empty", NewCodec(), nil, true, 7, 7},
		{"the old JSON", NewCodec(), []byte(`{"at":"2026-01-02T03:04:05Z","events":[{"type":"JobEnded","v":1,"data":{}}]}`), true, 7, 7},
		{"no events", NewCodec(), entryOf(t), true, 7, 7},
		{"fewer events than places", NewCodec(), whole, true, 7, 8},
		{"more events than places", NewCodec(), entryOf(t, job, job), true, 7, 7},
		{"places backwards", NewCodec(), whole, true, 8, 7},
		{"the second of two", NewCodec(), entryOf(t, job, written(77, 1, numbered{})), false, 7, 8},
		{"cannot be lifted", codecV2(), entryOf(t, written(99, 1, numbered{1: "x"})), true, 7, 7},
		{"no map to lift", codecV2(), entryOf(t, written(99, 1, "x")), true, 7, 7},
		{"lifts twice", codecV2(), entryOf(t, written(99, 3, numbered{})), false, 7, 7},
	}
	var out strings.Builder
	for _, r := range rows {
		got, err := r.codec.Decode(ports.Entry{First: r.first, Last: r.last, Data: r.data})
		if err == nil || got != nil || errors.Is(err, ports.ErrDamaged) != r.damaged {
			t.Errorf("%s: decoded to %v, %v; want an error, damaged %v", r.name, got, err, r.damaged)
		}
		fmt.Fprintf(&out, "%s: %v\n", r.name, err)
	}
	golden(t, "codec-errors.golden", out.String())
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	if _, err := NewCodec().Encode(time.Time{}, nil, []Event{strange{}}); err == nil {
		t.Error("an event that is not in the codec was encoded")
	}
	for _, year := range []int{1600, 2300} {
		if _, err := NewCodec().Encode(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), nil, []Event{JobEnded{}}); err == nil {
			t.Errorf("a time of the year %d was encoded, which a stamp cannot hold", year)
		}
	}
}

// FuzzDecodeEntry: no bytes make Decode panic, and what it reads is written and read again as the same.
func FuzzDecodeEntry(f *testing.F) {
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, e := range examples() {
		data, err := c.Encode(at, nil, []Event{e})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint8(1))
		f.Add(data[:len(data)/2], uint8(1))
	}
	all, err := c.Encode(at, &Actor{Key: "key_1", Remote: "192.0.2.1"}, examples())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all, uint8(len(examples())))
	f.Add(entryOf(f, written(16, 1, nil)), uint8(1))
	f.Add(entryOf(f, written(16, -1, numbered{})), uint8(1))
	f.Add(entryOf(f, written(9, 1, numbered{38: nil, 6: numbered{7: nil}})), uint8(1))
	f.Add(entryOf(f, written(11, 1, numbered{20: 1.5, 27: -1})), uint8(1))
	pruned, err := c.without(ports.Entry{First: 3, Data: all}, map[uint64]Event{3: nil, 5: JobEnded{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pruned.Data, uint8(len(examples())))
	f.Add([]byte("\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x9b\x00\x00\x00\x00\xff\xff\xff\xff\x83\x10\x01\xa0"), uint8(1))
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
		if len(events) < int(count) { // some were pruned, and nobody writes an entry so at first
			entry, err = c.without(entry, nil)
		} else {
			entry.Data, err = c.Encode(read[0].At, read[0].By, events)
		}
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := c.Decode(entry)
		if diff := cmp.Diff(read, again); err != nil || diff != "" {
			t.Fatalf("read again otherwise (%v) (-first +second):\n%s", err, diff)
		}
	})
}
