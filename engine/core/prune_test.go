package core

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/ports"
)

// prunable gathers what retention may take of the messages of some calls: all that is ended by now, at most so many calls.
func (w *world) prunable(calls []named, most int) PruneStep {
	w.t.Helper()
	step := PruneStep{Before: w.now}
	for _, entry := range w.log {
		events, err := w.codec.Decode(entry)
		if err != nil {
			w.t.Fatal(err)
		}
		step.Entries = append(step.Entries, PruneEntry{Entry: entry, Events: events})
	}
	seen := map[named]bool{}
	for _, c := range calls {
		m := named{c.company, w.messageOf(c)}
		if m.id == "msg_unknown" || seen[m] {
			continue
		}
		seen[m] = true
		if stream, ok := w.stream(m, most); ok {
			step.Streams = append(step.Streams, stream)
		}
	}
	for _, r := range w.recorded() {
		seqs, err := Settled(w.state.readOver, r, w.stands)
		if err != nil {
			w.t.Fatal(err)
		}
		step.Settled = append(step.Settled, seqs...)
	}
	return step
}

// stream gathers a message; ok is false while something of it is open.
func (w *world) stream(m named, most int) (out PruneStream, ok bool) {
	w.t.Helper()
	out = PruneStream{Company: m.company, Message: m.id, Whole: true}
	for _, c := range w.calls {
		row, err := w.state.call(c.company, c.id)
		if err != nil || row.Message != m.id {
			continue
		}
		if row.State.Open() {
			return out, false
		}
		out.HasData = row.HasData
		if len(out.Calls) == most {
			out.Whole = false
			continue
		}
		out.Calls = append(out.Calls, PruneCall{ID: c.id, Seqs: slices.Clone(row.Seqs)})
	}
	for _, name := range w.jobs {
		job, err := load[Job](w.state, JobKey(name))
		if err != nil || job != nil && (job.Plan != nil && job.Plan.Message == m.id || job.Erase != nil) {
			return out, false
		}
	}
	own, unmatched := OwnPlaces(w.recorded(), m.id)
	switch {
	case out.Whole:
		out.Own = own
		if row, err := load[erasedRow](w.state, ErasedKey(m.company, m.id)); err == nil && row != nil {
			out.Own = append(out.Own, row.Seqs...)
		}
	case unmatched > 0:
		out.Own = []uint64{unmatched}
	}
	return out, true
}

func (w *world) recorded() (out []Recorded) {
	w.t.Helper()
	for _, entry := range w.log {
		recorded, err := w.codec.Decode(entry)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, recorded...)
	}
	return out
}

func (w *world) stands(seq uint64) (bool, error) {
	return slices.ContainsFunc(w.recorded(), func(r Recorded) bool { return r.Seq == seq }), nil
}

// readOver reads a row as the batch sees it.
func (s *State) readOver(k []byte) ([]byte, error) {
	c, ok := s.cells[string(k)]
	switch {
	case !ok:
		return s.read(k)
	case c.row == nil:
		return nil, ports.ErrNotFound
	}
	return c.value()
}

func (w *world) prune(in struct {
	Calls   []string
	Company string
	Most    int
},
) (Decision, any, error) {
	var calls []named
	for _, id := range in.Calls {
		calls = append(calls, named{in.Company, id})
	}
	if in.Most == 0 {
		in.Most = StepCalls
	}
	d, err := Prune(w.state, w.codec, w.prunable(calls, in.Most), func(string) bool { return false })
	return d, nil, err
}

// What happened since a stream was found keeps it.
func TestPruneLooksAgain(t *testing.T) {
	t.Parallel()
	nothing := func(string) bool { return false }
	found := func() (*world, PruneStep) {
		w := newWorld(t)
		w.given(`
register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":[]}
publish {"company":"42","eventType":"x","data":"1"}
judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"class":"status","status":500}
`)
		step := w.prunable([]named{{"42", "call_1"}}, StepCalls)
		return w, step
	}
	for name, change := range map[string]func(w *world, step *PruneStep) func(string) bool{
		"touched since": func(*world, *PruneStep) func(string) bool { return func(m string) bool { return m == "msg_1" } },
		"another event": func(w *world, _ *PruneStep) func(string) bool {
			w.line(`judge {"company":"42","call":"call_1","attempt":1,"lease":2,"epoch":1,"status":200}`)
			return nothing
		},
		"erased since": func(w *world, _ *PruneStep) func(string) bool {
			w.line(`erase-message {"company":"42","id":"msg_1"}`)
			return nothing
		},
		"too young": func(_ *world, step *PruneStep) func(string) bool {
			step.Before = step.Before.Add(-1)
			return nothing
		},
		"retried in the same batch": func(w *world, _ *PruneStep) func(string) bool {
			w.batching = true
			w.line(`retry {"company":"42","id":"call_1"}`)
			return nothing
		},
	} {
		w, step := found()
		touched := change(w, &step)
		if d, err := Prune(w.state, w.codec, step, touched); err != nil || len(d.Events) > 0 {
			t.Errorf("%s: pruned all the same: %v, %v", name, d, err)
		}
	}
	w, step := found()
	if d, err := Prune(w.state, w.codec, step, nothing); err != nil || len(d.Events) == 0 {
		t.Errorf("nothing has happened since, and it was not pruned: %v, %v", d, err)
	}
}

// What is pruned leaves an entry, in which the others keep their places; one with nothing left has no data.
func TestWithout(t *testing.T) {
	t.Parallel()
	c := NewCodec()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, by := range []*Actor{nil, {Key: "key_1"}} {
		data, err := c.Encode(at, by, []Event{JobEnded{"1"}, JobEnded{"2"}, JobEnded{"3"}})
		if err != nil {
			t.Fatal(err)
		}
		entry, err := c.without(ports.Entry{First: 7, Last: 9, Data: data}, map[uint64]Event{7: nil, 8: LogPruned{1}, 99: nil})
		if err != nil {
			t.Fatal(err)
		}
		want := []Recorded{{Seq: 8, At: at, By: by, Event: LogPruned{1}}, {Seq: 9, At: at, By: by, Event: JobEnded{"3"}}}
		got, err := c.Decode(entry)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("entry without its first event, the second replaced (%v) (-want +got):\n%s", err, diff)
		}
		if entry, err = c.without(entry, map[uint64]Event{8: nil, 9: nil}); err != nil || entry.Data != nil || entry.First != 7 || entry.Last != 9 {
			t.Errorf("entry without any event = %v, %v", entry, err)
		}
	}
}

// What an attempt noted of its webhook's health outlives the attempt: the rows of a log without it are the same.
func TestPruneKeepsHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.given(`
register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":[]}
publish {"company":"42","eventType":"x","data":"1"}
judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"class":"status","status":500}
prune {"company":"42","calls":["call_1"]}
`)
	w.flush()
	webhook := w.registered("42")[0]
	row, err := load[webhookRow](w.state, WebhookKey("42", webhook.ID))
	if err != nil || row.Failing == nil {
		t.Fatalf("the webhook is not seen failing: %+v, %v", row, err)
	}
	if slices.ContainsFunc(w.recorded(), func(r Recorded) bool { _, ok := r.Event.(CallAttempted); return ok }) {
		t.Fatal("the attempt was not pruned")
	}
	if again := w.rebuild(1); !sameRows(w.rows, again) {
		t.Errorf("rebuilt from what is left the rows differ:\n%s", diffLines(dump(w.rows), dump(again)))
	}
}
