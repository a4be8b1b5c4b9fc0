package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"posthorn/ports"
)

// A desk is the least that a writer needs: rows in a map, ids as long as true ones, and a clock that goes on by a millisecond a command.
type desk struct {
	b     *testing.B
	codec *Codec
	cache *Cache
	now   time.Time
	seq   uint64
	ids   int
	rows  map[string][]byte
}

// ID implements Inputs with ids as long as a ULID.
func (d *desk) ID(prefix string) string {
	d.ids++
	return prefix + fmt.Sprintf("%026d", d.ids)
}

// Salt implements Inputs.
func (d *desk) Salt() (salt [SaltBytes]byte) { return salt }

func newDesk(b *testing.B) *desk {
	b.Helper()
	return &desk{
		b: b, codec: NewCodec(), cache: NewCache(100), now: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC),
		rows: map[string][]byte{},
	}
}

func (d *desk) read(key []byte) ([]byte, error) {
	if value, ok := d.rows[string(key)]; ok {
		return value, nil
	}
	return nil, ports.ErrNotFound
}

// commit decides, encodes, folds and stores one command. It returns the entry and the rows that it wrote.
func (d *desk) commit(decide func(*State) (Decision, error)) (entry []byte, puts []ports.Pair) {
	d.now = d.now.Add(time.Millisecond)
	state := NewState(d.read).WithCache(d.cache)
	decision, err := decide(state)
	if err != nil || len(decision.Events) == 0 {
		d.b.Fatalf("%d events, %v", len(decision.Events), err)
	}
	entry, err = d.codec.Encode(d.now, nil, decision.Events)
	if err != nil {
		d.b.Fatal(err)
	}
	for _, e := range decision.Events {
		d.seq++
		if err := state.Fold(Recorded{Seq: d.seq, At: d.now, Event: e}); err != nil {
			d.b.Fatal(err)
		}
	}
	state.Dues()
	var deletes [][]byte
	puts, deletes, err = state.Changes()
	if err != nil {
		d.b.Fatal(err)
	}
	d.cache.Remember(state)
	for _, p := range puts {
		d.rows[string(p.Key)] = p.Value
	}
	for _, k := range deletes {
		delete(d.rows, string(k))
	}
	return entry, puts
}

// register stores the one webhook and returns it.
func (d *desk) register() (w Webhook) {
	checked, err := NewWebhook{Company: "4211", URL: "http://127.0.0.1:34567/hooks/4211", EventTypes: []string{"candidate.created"}, Seed: true}.
		Check(DefaultPolicy())
	if err != nil {
		d.b.Fatal(err)
	}
	d.commit(func(*State) (decision Decision, err error) {
		decision, w, err = RegisterWebhook(d, d.now, checked, nil, func(string) Sealed { return Sealed{Secret: []byte("sealed")} })
		return decision, err
	})
	return w
}

// BenchmarkCall takes a candidate in for one webhook, and its outcome: what the writer does for a seed-like call, less the store. The metrics are
// the bytes that each puts into the log and the rows.
func BenchmarkCall(b *testing.B) {
	d := newDesk(b)
	routing := Routing{Webhooks: []Webhook{d.register()}}
	profile, err := benchCandidate().Check()
	if err != nil {
		b.Fatal(err)
	}
	first := maps.Clone(d.rows)
	var accept, outcome []byte
	var accepted, ended []ports.Pair
	b.ReportAllocs()
	for b.Loop() {
		var call string
		accept, accepted = d.commit(func(*State) (Decision, error) {
			decision, _, _, err := CreateCandidate(d, d.now, profile, routing)
			for _, e := range decision.Events {
				if requested, ok := e.(CallRequested); ok {
					call = requested.Call
				}
			}
			return decision, err
		})
		outcome, ended = d.commit(func(s *State) (Decision, error) {
			return Judge(s, d, d.now, Outcome{
				Company: profile.Company, Call: call, Attempt: 1, Lease: 1, Epoch: 1, StartedAt: d.now, TookMS: 3,
				Class: ports.ClassOK, Status: 200,
			}, 0, DefaultDisableAfter)
		})
		clear(d.rows)
		maps.Copy(d.rows, first)
	}
	for unit, stored := range map[string][]byte{
		"entry-accept-B": accept, "entry-outcome-B": outcome,
		"row-call-accept-B": rowOfKind(b, accepted, "call").Value, "row-call-outcome-B": rowOfKind(b, ended, "call").Value,
		"row-resource-B": rowOfKind(b, accepted, "resource").Value, "row-due-B": rowOfKind(b, accepted, "due").Value,
	} {
		b.ReportMetric(float64(len(stored)), unit)
	}
}

func rowOfKind(b *testing.B, puts []ports.Pair, kind string) ports.Pair {
	b.Helper()
	for _, p := range puts {
		if bytes.HasPrefix(p.Key, []byte("r\x00"+kind+"\x00")) {
			return p
		}
	}
	b.Fatalf("no row of kind %s was put", kind)
	return ports.Pair{}
}

func benchCandidate() NewCandidate {
	return NewCandidate{Company: "4211", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Fields: map[string]any{
		"phone": json.RawMessage(`"+44 20 7946 0000"`), "tags": json.RawMessage(`["mathematics","engines"]`),
	}}
}

// BenchmarkCheck checks a candidate, as every request does before the writer's turn.
func BenchmarkCheck(b *testing.B) {
	candidate := benchCandidate()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := candidate.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBody writes what a receiver gets.
func BenchmarkBody(b *testing.B) {
	call := Call{EventType: TypeCandidateCreated, Resource: &ResourceRef{Type: CandidateType, ID: "cand_1"}, CreatedAt: time.Now()}
	resource := []byte(`{"id":"cand_1","type":"candidate","firstName":"Ada"}`)
	b.ReportAllocs()
	for b.Loop() {
		Body(call, resource, nil, "whsec_c2VjcmV0")
	}
}

// BenchmarkRead reads what BenchmarkCall wrote: the entry, as followers and a rebuild do, and the call's row, as a page of the history does.
func BenchmarkRead(b *testing.B) {
	d := newDesk(b)
	routing := Routing{Webhooks: []Webhook{d.register()}}
	profile, err := benchCandidate().Check()
	if err != nil {
		b.Fatal(err)
	}
	decision, _, _, err := CreateCandidate(d, d.now, profile, routing)
	if err != nil {
		b.Fatal(err)
	}
	entry, err := d.codec.Encode(d.now, nil, decision.Events)
	if err != nil {
		b.Fatal(err)
	}
	_, puts := d.commit(func(*State) (Decision, error) { return decision, nil })
	row := rowOfKind(b, puts, "call")
	b.Run("entry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.codec.Decode(ports.Entry{First: 1, Last: uint64(len(decision.Events)), Data: entry}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("row", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := ParseCall(row); err != nil {
				b.Fatal(err)
			}
		}
	})
}
