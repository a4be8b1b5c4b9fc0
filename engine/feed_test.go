package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

var update = flag.Bool("update", false, "rewrite the golden files; review them as a diff")

// A reader of events keeps what was published on the topic, over the engines of a test, in the order in which the bus took it.
type reader struct {
	mu    sync.Mutex
	got   []ports.Envelope
	most  int // envelopes of one Publish
	limit int // bytes of a body that the transport takes; 0 for all
}

// A readBus hands everything on, but for events, which the reader keeps: a Go channel would mix them up.
type readBus struct {
	ports.Bus
	reader *reader
}

func (b readBus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	if topic != "posthorn.events" {
		return b.Bus.Publish(ctx, topic, envelopes...)
	}
	r := b.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = max(r.most, len(envelopes))
	for _, e := range envelopes {
		if r.limit > 0 && len(e.Body) > r.limit {
			return fmt.Errorf("the transport takes %d bytes: %w", r.limit, ports.ErrTooLarge)
		}
		r.got = append(r.got, e)
	}
	return nil
}

func (r *reader) events() []ports.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// feeding makes an engine publish its events for the reader, over a bus with faults.
func (r *reader) feeding(plan func(nth int) portstest.BusFault) func(*engine.Options) {
	return func(o *engine.Options) {
		o.PublishEvents = true
		o.Bus = portstest.NewFaultBus(readBus{goBus(), r}, func(topic string, nth int) portstest.BusFault {
			if topic == "posthorn.events" {
				return plan(nth)
			}
			return portstest.BusFaithful
		})
	}
}

func faithful(int) portstest.BusFault { return portstest.BusFaithful }

// wantAll fails the test unless every event up to last was published, in order: each begins a run at its place, or repeats what was told. It
// returns how many were repeated.
func (r *reader) wantAll(t *testing.T, last uint64) (repeated int) {
	t.Helper()
	told := uint64(0)
	for i, e := range r.events() {
		seq := readEvent(t, e).Data.Seq
		switch {
		case seq == told+1:
			told = seq
		case seq <= told:
			repeated++
		default:
			t.Fatalf("envelope %d holds event %d after %d: a gap", i, seq, told)
		}
	}
	if told != last {
		t.Errorf("events were published up to %d, want %d", told, last)
	}
	return repeated
}

// A fedEvent is what a reader that knows the form finds.
type fedEvent struct {
	Type string `json:"type"`
	Data struct {
		engine.Event
		Payload json.RawMessage `json:"payload"`
	} `json:"data"`
}

func readEvent(t *testing.T, e ports.Envelope) fedEvent {
	t.Helper()
	var out fedEvent
	if err := json.Unmarshal(e.Body, &out); err != nil {
		t.Fatalf("envelope %s: %v", e.ID, err)
	}
	return out
}

func (b *bench) last() uint64 {
	b.t.Helper()
	last, err := b.LastSeq(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return last
}

// eventful makes the engine do what leads to many kinds of events.
func (b *bench) eventful() {
	b.t.Helper()
	w := b.register(engine.NewWebhook{EventTypes: []string{"*"}, Schedule: []time.Duration{time.Minute}})
	b.caller.Script(receiver, status(http.StatusInternalServerError), portstest.ScriptedReply{
		Reply: ports.Reply{Status: http.StatusOK, Body: []byte(`{"ok":"response"}`)},
	})
	c := b.candidate()
	pass(time.Second)
	b.publish(`{"total":"data"}`)
	pass(time.Hour)
	gone := b.DeleteCandidate(b.t.Context(), "42", c.ID)
	pass(time.Hour)
	if err := errors.Join(gone, b.DeleteWebhook(b.t.Context(), "42", w.ID)); err != nil {
		b.t.Fatal(err)
	}
	pass(time.Hour)
	b.publish(`1`)
	pass(time.Hour)
}

// TestEventsForm: the whole form, with payloads and without, as a golden; the CloudEvents project's own Go package reads and accepts each.
func TestEventsForm(t *testing.T) {
	t.Parallel()
	for name, payloads := range map[string]bool{"events": false, "events-payloads": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var r reader
				b := open(t, r.feeding(faithful), func(o *engine.Options) {
					o.PublishEventPayloads = payloads
					o.Random = mathrand.NewChaCha8([32]byte{1})
				})
				b.eventful()
				b.close()
				var out bytes.Buffer
				for _, e := range r.events() {
					judge(t, e)
					fmt.Fprintf(&out, "%s %s %v\n%s\n", e.ID, e.Key, e.Meta, e.Body)
				}
				for _, private := range []string{"ada@example.com", `{"total":"data"}`} {
					if bytes.Contains(out.Bytes(), []byte(private)) != payloads {
						t.Errorf("%s is published: %v, want %v", private, !payloads, payloads)
					}
				}
				for _, secret := range []string{"whsec_", `"response\"`} {
					if bytes.Contains(out.Bytes(), []byte(secret)) {
						t.Errorf("%s is published", secret)
					}
				}
				sealed := regexp.MustCompile(`"secretDigest":"[0-9a-f]+"`) // under a random nonce
				wantGolden(t, name+".golden", sealed.ReplaceAllString(out.String(), `"secretDigest":"..."`))
			})
		})
	}
}

func judge(t *testing.T, e ports.Envelope) {
	t.Helper()
	var judged event.Event
	if err := errors.Join(json.Unmarshal(e.Body, &judged), judged.Validate()); err != nil {
		t.Errorf("envelope %s is no CloudEvent: %v", e.ID, err)
	}
	ours := readEvent(t, e)
	if judged.ID() != fmt.Sprint(ours.Data.Seq) || judged.Type() != "posthorn."+ours.Data.Type || !judged.Time().Equal(ours.Data.At) ||
		e.ID != e.Key+"/"+judged.ID() || judged.Source() != "posthorn:"+e.Key || judged.DataContentType() != "application/json" {
		t.Errorf("envelope %s is read as %s", e.ID, judged)
	}
}

func wantGolden(t *testing.T, name, got string) {
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
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-golden +got); if it should, run go test -update and review the diff:\n%s", file, diff)
	}
}
