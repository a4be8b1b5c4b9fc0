package core

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"posthorn/ports"
)

var update = flag.Bool("update", false, "rewrite the golden files; review them as a diff")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffLines(string(want), got); diff != "" {
		t.Errorf("%s differs (-golden +got); if it should, run go test -update and review the diff:\n%s", file, diff)
	}
}

func diffLines(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

// A world stands in for the engine's writer: it runs commands one after the other over maps, with a clock that is set by hand
// and ids that count.
type world struct {
	t     rapid.TB
	now   time.Time
	rows  map[string][]byte
	vault map[string][]byte
	log   []ports.Entry
	seq   uint64
	codec *Codec
	state *State // of the batch under way
	cache *Cache // nil for none
	// batching leaves the end of the batch to the test.
	batching bool
	ids      map[string]int
	salts    int
	// What has been named so far, oldest first.
	webhooks, calls, candidates []named
	jobs                        []string
}

// named is what a company owns.
type named struct{ company, id string }

func newWorld(t rapid.TB) *world {
	w := &world{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		rows: map[string][]byte{}, vault: map[string][]byte{}, codec: NewCodec(), ids: map[string]int{},
	}
	w.state = w.newState()
	return w
}

func (w *world) newState() *State {
	return NewState(func(key []byte) ([]byte, error) {
		for _, stored := range []map[string][]byte{w.rows, w.vault} {
			if value, ok := stored[string(key)]; ok {
				return value, nil
			}
		}
		return nil, ports.ErrNotFound
	}).WithCache(w.cache)
}

// ID counts: wh_1, wh_2.
func (w *world) ID(prefix string) string {
	w.ids[prefix]++
	return prefix + strconv.Itoa(w.ids[prefix])
}

// Salt counts too.
func (w *world) Salt() (salt [SaltBytes]byte) {
	w.salts++
	copy(salt[:], fmt.Sprintf("salt%012d", w.salts))
	return salt
}

// record logs and folds what a command has decided, and what is announced of it.
func (w *world) record(d Decision) []Recorded {
	w.t.Helper()
	if len(d.Events) == 0 {
		return nil
	}
	first := w.seq + 1
	recorded := w.fold(d)
	told, err := Announce(w.state, w, w.now, d.Events, func(company string) ([]Webhook, error) { return Listening(w.registered(company)), nil })
	if err != nil {
		w.t.Fatalf("announce: %v", err)
	}
	recorded = append(recorded, w.fold(told)...)
	events := make([]Event, len(recorded))
	for i, r := range recorded {
		events[i] = r.Event
	}
	data, err := w.codec.Encode(w.now, nil, events)
	if err != nil {
		w.t.Fatalf("encode: %v", err)
	}
	w.log = append(w.log, ports.Entry{First: first, Last: w.seq, Data: data})
	for _, entry := range d.Rewrites {
		w.log[slices.IndexFunc(w.log, func(e ports.Entry) bool { return e.First == entry.First })] = entry
	}
	w.log = slices.DeleteFunc(w.log, func(e ports.Entry) bool { return e.Data == nil })
	for _, k := range d.Forget {
		delete(w.vault, string(k))
	}
	return recorded
}

func (w *world) fold(d Decision) []Recorded {
	w.t.Helper()
	for _, item := range d.Vault {
		w.vault[string(item.Key)] = item.Value
	}
	recorded := make([]Recorded, 0, len(d.Events))
	for _, e := range d.Events {
		w.seq++
		r := Recorded{Seq: w.seq, At: w.now, Event: e}
		if err := w.state.Fold(r); err != nil {
			w.t.Fatalf("fold: %v", err)
		}
		w.note(r)
		recorded = append(recorded, r)
	}
	return recorded
}

func (w *world) note(r Recorded) {
	switch e := r.Event.(type) {
	case WebhookRegistered:
		w.webhooks = append(w.webhooks, named{e.Company, e.Webhook})
	case CandidateCreated:
		w.candidates = append(w.candidates, named{e.Company, e.ID})
	case CallRequested:
		w.calls = append(w.calls, named{e.Company, e.Call})
	case CallsPlanned:
		for part := 0; part*StepCalls < len(e.Webhooks); part++ {
			w.jobs = append(w.jobs, JobName(r.Seq, part))
		}
	case WebhookDisabled, WebhookDeleted, PayloadErased:
		w.jobs = append(w.jobs, JobName(r.Seq, 0))
	}
}

// flush ends the batch: its changes are checked against the contract of Changes, and applied.
func (w *world) flush() (puts []ports.Pair, deletes [][]byte) {
	w.t.Helper()
	bound, dues := w.state.Writes(), w.state.Dues()
	puts, deletes, err := w.state.Changes()
	if err != nil {
		w.t.Fatalf("changes: %v", err)
	}
	if len(puts)+len(deletes) > bound {
		w.t.Fatalf("%d puts and %d deletes are over the bound of Writes, %d", len(puts), len(deletes), bound)
	}
	var made []Due
	seen := map[string]bool{}
	for _, p := range puts {
		if seen[string(p.Key)] {
			w.t.Fatalf("changes name %q twice", p.Key)
		}
		seen[string(p.Key)] = true
		if isDue(p.Key) {
			made = append(made, w.parseDue(p.Key, p.Value))
		}
	}
	for _, k := range deletes {
		if _, stored := w.rows[string(k)]; seen[string(k)] || !stored {
			w.t.Fatalf("changes delete %q, which is not stored or is named twice", k)
		}
		seen[string(k)] = true
	}
	if !slices.IsSortedFunc(puts, func(a, b ports.Pair) int { return bytes.Compare(a.Key, b.Key) }) ||
		!slices.IsSortedFunc(deletes, bytes.Compare) {
		w.t.Fatalf("changes are out of key order")
	}
	for i := range dues {
		dues[i].At = dues[i].At.Truncate(time.Millisecond)
	}
	if diff := cmp.Diff(made, dues, cmp.Comparer(func(a, b []Due) bool { return len(a)+len(b) == 0 || slices.EqualFunc(a, b, sameDue) })); diff != "" {
		w.t.Fatalf("Dues differ from the due rows that were put (-rows +Dues):\n%s", diff)
	}
	apply(w.rows, puts, deletes)
	if w.cache != nil {
		w.cache.Remember(w.state)
	}
	w.state = w.newState()
	return puts, deletes
}

func sameDue(a, b Due) bool {
	return a.At.Equal(b.At) && a.Ordered() == b.Ordered() && bytes.Equal(a.Key(), b.Key()) && a.Call == b.Call
}

func apply(rows map[string][]byte, puts []ports.Pair, deletes [][]byte) {
	for _, p := range puts {
		rows[string(p.Key)] = p.Value
	}
	for _, k := range deletes {
		delete(rows, string(k))
	}
}

func isDue(k []byte) bool { return bytes.HasPrefix(k, []byte("r\x00due\x00")) }

func (w *world) parseDue(key, value []byte) Due {
	w.t.Helper()
	due, err := ParseDue(key, value)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return due
}

// registered lists a company's webhooks as the engine's index does: those that are not deleted, oldest first.
func (w *world) registered(company string) []Webhook {
	var all []Webhook
	for _, n := range w.webhooks {
		if row, err := w.state.webhook(n.company, n.id); err == nil && n.company == company {
			all = append(all, row.Webhook)
		}
	}
	return all
}

// open lists the calls that a cancel job is to end.
func (w *world) open(job CancelJob) []Due {
	var all []Due
	for _, n := range w.calls {
		row, err := w.state.call(n.company, n.id)
		if err == nil && row.Webhook == job.Webhook && row.State.Open() && row.Seqs[0] < job.Before {
			all = append(all, row.due())
		}
	}
	return all
}

// messageOf is the message of a call, none for a call that there is not.
func (w *world) messageOf(call named) string {
	row, err := w.state.call(call.company, call.id)
	if err != nil {
		return "msg_unknown"
	}
	return row.Message
}

// about lists the calls of what an erase job erases, and of a resource the messages that told of it.
func (w *world) about(job EraseJob) (calls, messages []string) {
	for _, n := range w.calls {
		row, err := w.state.call(n.company, n.id)
		if err != nil || n.company != job.Company || !job.about(row.Message, row.Resource) {
			continue
		}
		calls = append(calls, n.id)
		if job.Resource != nil {
			messages = append(messages, row.Message)
		}
	}
	return calls, messages
}

// current is the body of the version in force.
func (w *world) current(company, id string) []byte {
	v, err := CurrentCandidate(w.state, company, id)
	if err != nil {
		return nil
	}
	body, err := OpenVaultItem(w.vault[string(ResourceKey(v.ResourceRef))], v.Digest)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return body
}

// dump writes rows for reading.
func dump(rows map[string][]byte) string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&out, "%s %s\n", showKey(k), readable(rows[k]))
	}
	return out.String()
}

// showKey writes a key with | for the zero byte, and a due row's time and seq in words.
func showKey(key string) string {
	if rest, ok := strings.CutPrefix(key, "r\x00due\x00"); ok {
		due, err := ParseDue([]byte(key), []byte("\x00"))
		if err != nil {
			return "damaged: " + rest
		}
		return fmt.Sprintf("r|due|%s|%s|%d", due.Webhook, FormatTime(due.At), due.Seq)
	}
	if rest, ok := strings.CutPrefix(key, "r\x00expiry\x00"); ok {
		x, err := ParseExpiry([]byte(key), []byte("\x00"))
		if err != nil {
			return "damaged: " + rest
		}
		return fmt.Sprintf("r|expiry|%s|%d", FormatTime(x.At), x.Seq)
	}
	return strings.ReplaceAll(key, "\x00", "|")
}
