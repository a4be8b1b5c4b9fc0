package engine

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine/core"
	"posthorn/ports"
)

var writeWire = flag.Bool("write-wire", false, "write the golden envelopes of a wire format that has none yet; those that exist are never rewritten")

func testWire(t *testing.T) *wire {
	t.Helper()
	s, err := newSealer(NewKey([KeyBytes]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWire(&keptBus{kept: map[string][]ports.Envelope{}}, s, "posthorn")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// carry publishes content and returns its envelope.
func carry(t *testing.T, w *wire, topic string, content any) ports.Envelope {
	t.Helper()
	if err := w.publish(t.Context(), topic, origin{"eng_1", 7}, "env_1", content); err != nil {
		t.Fatal(err)
	}
	kept := w.bus.(*keptBus).kept[topic]
	return kept[len(kept)-1]
}

// A goldenEnvelope is one as a version put it on the bus, with what is inside it.
type goldenEnvelope struct {
	Topic string            `json:"topic"`
	Meta  map[string]string `json:"meta"`
	Body  []byte            `json:"body"` // sealed under the key of testWire
	CBOR  []byte            `json:"cbor"` // what is sealed in it
}

var goldenTime = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

func goldenTasks() []task {
	return []task{{
		Company: "42", Call: "call_1", Message: "msg_1", Attempt: 2, Lease: 3, StartBy: goldenTime, URL: "https://receiver.example/hook",
		Timeout: 15 * time.Second, Secret: core.NewSecret([core.SecretBytes]byte{1}), Body: []byte(`{"type":"invoice.paid"}`),
	}, {Company: "42", Call: "call_2", Message: "msg_1", Attempt: 1, Lease: 1, StartBy: goldenTime}}
}

func goldenOutcomes() []core.Outcome {
	return []core.Outcome{{
		Company: "42", Call: "call_1", Attempt: 2, Lease: 3, Epoch: 7, StartedAt: goldenTime, TookMS: 12, Class: ports.ClassStatus,
		Error: "status 503", Status: 503, RetryAfter: "120", Response: []byte("busy"), Truncated: true,
	}, {Company: "42", Call: "call_2", Attempt: 1, Lease: 1, Epoch: 6, StartedAt: goldenTime, Status: 204}}
}

// The envelopes in testdata were written by the first version that had this format. Every later one reads them, and puts the same
// content on the bus in the same bytes, for those who read it may be of the earlier version.
func TestWireFormat1(t *testing.T) {
	t.Parallel()
	w := testWire(t)
	path := filepath.Join("testdata", "wire", "1.json")
	if _, err := os.Stat(path); *writeWire && os.IsNotExist(err) {
		writeGolden(t, w, path)
	}
	var golden []goldenEnvelope
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil || len(golden) != 2 {
		t.Fatalf("%d envelopes in %s: %v", len(golden), path, err)
	}
	tasks, outcomes := readGolden[[]task](t, w, golden[0]), readGolden[[]core.Outcome](t, w, golden[1])
	for i, content := range []any{tasks, outcomes} {
		g := golden[i]
		today, err := w.encoding.Marshal(content)
		if err != nil || !bytes.Equal(today, g.CBOR) {
			t.Errorf("%s is written as %x, %v; it was written as %x", g.Topic, today, err, g.CBOR)
		}
		if again := carry(t, w, g.Topic, content); cmp.Diff(g.Meta, again.Meta) != "" {
			t.Errorf("metadata is %v, it was %v", again.Meta, g.Meta)
		}
	}
	if diff := cmp.Diff(goldenTasks(), tasks); diff != "" {
		t.Errorf("tasks (-written +read):\n%s", diff)
	}
	if diff := cmp.Diff(goldenOutcomes(), outcomes); diff != "" {
		t.Errorf("outcomes (-written +read):\n%s", diff)
	}
	if w.tasks() != golden[0].Topic || w.outcomes("eng_1") != golden[1].Topic {
		t.Errorf("topics are %s and %s, they were %s and %s", w.tasks(), w.outcomes("eng_1"), golden[0].Topic, golden[1].Topic)
	}
}

func readGolden[T any](t *testing.T, w *wire, g goldenEnvelope) T {
	t.Helper()
	content, from, err := read[T](w, g.Topic, ports.Envelope{ID: "env_1", Meta: g.Meta, Body: g.Body})
	if err != nil || from != (origin{"eng_1", 7}) {
		t.Errorf("read %s of format 1: %+v, %v", g.Topic, from, err)
	}
	return content
}

func writeGolden(t *testing.T, w *wire, path string) {
	t.Helper()
	var golden []goldenEnvelope
	for topic, content := range map[string]any{w.tasks(): goldenTasks(), w.outcomes("eng_1"): goldenOutcomes()} {
		inside, err := w.encoding.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		e := carry(t, w, topic, content)
		golden = append(golden, goldenEnvelope{topic, e.Meta, e.Body, inside})
	}
	if golden[0].Topic != w.tasks() {
		golden[0], golden[1] = golden[1], golden[0]
	}
	raw, err := json.MarshalIndent(golden, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A local bus gets what it is to hand over, and nothing that is sealed; if it hands over nothing, the error says whose fault it is.
func TestLocalWire(t *testing.T) {
	t.Parallel()
	bus := &keptBus{kept: map[string][]ports.Envelope{}}
	w, err := newWire(localKept{bus}, testWire(t).sealer, "posthorn")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.publish(t.Context(), w.tasks(), origin{"eng_1", 7}, "env_1", goldenTasks()); err != nil {
		t.Fatal(err)
	}
	e := bus.kept[w.tasks()][0]
	tasks, from, err := read[[]task](w, w.tasks(), e)
	if err != nil || from != (origin{"eng_1", 7}) || cmp.Diff(goldenTasks(), tasks) != "" || e.Body != nil {
		t.Errorf("read %+v from %+v, %v; body %x", tasks, from, err, e.Body)
	}
	if w.traffic() != (Traffic{Envelopes: 1}) {
		t.Errorf("traffic %+v, want one envelope and no bytes", w.traffic())
	}
	e.Content = nil
	if _, _, err := read[[]task](w, w.tasks(), e); err == nil || !strings.Contains(err.Error(), `"env_1" holds nothing; a bus that says it is local`) {
		t.Errorf("without its content: %v", err)
	}
}

// A localKept says that it carries within this process.
type localKept struct{ *keptBus }

func (localKept) Local() bool { return true }

// A neighbouring version may have a field more: who does not know it passes it over, and who misses it finds its zero value.
func TestNeighbouringVersions(t *testing.T) {
	t.Parallel()
	type taskLater struct {
		task

		Priority int      `cbor:"13,keyasint"`
		Tags     []string `cbor:"14,keyasint"`
	}
	type outcomeLater struct {
		core.Outcome

		Region string `cbor:"14,keyasint"`
	}
	t.Run("an earlier one reads", func(t *testing.T) {
		t.Parallel()
		w := testWire(t)
		later := []taskLater{{goldenTasks()[0], 5, []string{"a"}}}
		tasks, _, err := read[[]task](w, w.tasks(), carry(t, w, w.tasks(), later))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(goldenTasks()[:1], tasks); diff != "" {
			t.Errorf("tasks (-written +read):\n%s", diff)
		}
		topic := w.outcomes("eng_1")
		outcomes, _, err := read[[]core.Outcome](w, topic, carry(t, w, topic, []outcomeLater{{goldenOutcomes()[0], "eu"}}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(goldenOutcomes()[:1], outcomes); diff != "" {
			t.Errorf("outcomes (-written +read):\n%s", diff)
		}
	})
	t.Run("a later one reads", func(t *testing.T) {
		t.Parallel()
		w := testWire(t)
		tasks, _, err := read[[]taskLater](w, w.tasks(), carry(t, w, w.tasks(), goldenTasks()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]taskLater{{task: goldenTasks()[0]}, {task: goldenTasks()[1]}}, tasks, cmp.AllowUnexported(taskLater{})); diff != "" {
			t.Errorf("tasks (-want +read):\n%s", diff)
		}
		topic := w.outcomes("eng_1")
		if outcomes, _, err := read[[]outcomeLater](w, topic, carry(t, w, topic, goldenOutcomes())); err != nil || len(outcomes) != 2 || outcomes[0].Region != "" {
			t.Errorf("outcomes = %+v, %v", outcomes, err)
		}
	})
}
