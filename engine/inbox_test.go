package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/badgerstore"
	"posthorn/engine"
	"posthorn/ports"
)

const inboxTopic = "posthorn.inbox"

// An aside collects what is put on inbox.rejected.
type aside struct {
	mu   sync.Mutex
	kept []ports.Envelope
	all  chan struct{} // closed when want envelopes are there
	want int
}

func (a *aside) handle(_ context.Context, e ports.Envelope) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept = append(a.kept, e); len(a.kept) == a.want {
		close(a.all)
	}
	return nil
}

// byID counts the envelopes by id, and fails the test for one without a reason.
func (a *aside) byID(t *testing.T) map[string]int {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]int{}
	for _, e := range a.kept {
		out[e.ID]++
		if got, want := e.Meta["posthorn-reason"], reasons[e.ID[strings.LastIndexByte(e.ID, '-')+1:]]; want == "" || !strings.HasPrefix(got, "invalid: "+want) {
			t.Errorf("envelope %s was put aside for the reason %q, want %q", e.ID, got, want)
		}
	}
	return out
}

// submission makes the envelope of a message in one of the forms that the inbox takes.
func submission(i int) ports.Envelope {
	id := fmt.Sprintf("env-%d", i)
	switch i % 4 {
	case 0:
		return ports.Envelope{ID: id, Body: fmt.Appendf(nil, `{"company":"42","message":{"eventType":"n","data":%d}}`, i)}
	case 1:
		return ports.Envelope{ID: id, Body: fmt.Appendf(nil, `{"company":"42","idempotencyKey":"key %d","message":{"eventType":"n","data":%d}}`, i, i)}
	case 2:
		return ports.Envelope{ID: id, Body: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/s","type":"n","company":"42","data":%d}`, i, i)}
	default:
		return ports.Envelope{ID: id, Body: fmt.Appendf(nil, `%d`, i), Meta: map[string]string{
			"ce_specversion": "1.0", "ce_id": fmt.Sprint(i), "ce_source": "/t", "ce_type": "n", "ce_company": "42",
		}}
	}
}

// malformed makes an envelope that can never be accepted. Its id ends with the kind of fault.
func malformed(i int) ports.Envelope {
	kinds := slices.Sorted(maps.Keys(reasons))
	kind := kinds[i%len(kinds)]
	body := map[string]string{
		"empty": ``, "cut": `{`, "list": `[]`, "nothing": `{"company":"42"}`, "number": `{"company":42,"message":{"eventType":"n","data":1}}`,
		"nobody": `{"message":{"eventType":"n","data":1}}`, "type": `{"company":"42","message":{"eventType":"n n","data":1}}`,
		"email": `{"company":"42","candidate":{"email":"ada"}}`, "source": `{"specversion":"1.0","id":"1","type":"n","company":"42","data":1}`,
		"large": strings.Repeat(" ", 600<<10),
	}[kind]
	return ports.Envelope{ID: fmt.Sprintf("bad-%d-%s", i, kind), Body: []byte(body)}
}

// reasons are how the reason for each kind of fault begins.
var reasons = map[string]string{
	"empty": "body is refused: it is not JSON", "cut": "body is refused: it is not JSON", "list": "body is refused: it is JSON, but not an object",
	"nothing": "neither message nor candidate", "number": `company "42" is refused; it is a text`, "nobody": "no company was given",
	"type": `event type "n n" is refused`, "email": `Required field email not found or invalid: "ada"`, "source": "attribute source is missing",
	"large": "the body has 614400 bytes",
}

// inboxed opens an engine that takes the inbox, and collects what is put aside.
func inboxed(t *testing.T, change ...func(*engine.Options)) (*bench, *aside) {
	t.Helper()
	kept := &aside{all: make(chan struct{})}
	return open(t, append(change, func(o *engine.Options) {
		o.Inbox = true
		o.Bus.Handle(inboxTopic+".rejected", kept.handle)
	})...), kept
}

// told counts the messages of the log by their data, which Events does not show: the store is asked.
func (b *bench) told() (messages, keys int) {
	b.t.Helper()
	for seq := uint64(0); ; {
		page := b.collect(seq, engine.MaxLimit)
		for _, e := range page {
			switch e.Type {
			case "MessagePublished":
				messages++
			case "KeyUsed":
				keys++
			}
		}
		if len(page) < engine.MaxLimit {
			return messages, keys
		}
		seq = page[len(page)-1].Seq
	}
}

// TestInboxAcceptsOnce: 10,000 messages that come twice each are accepted once each, far more at once than may wait for the writer; 100 that
// are malformed are all put aside, with reasons.
func TestInboxAcceptsOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		messages, bad := 10_000, 100
		if testing.Short() {
			messages = 1000
		}
		bus, refused := goBus(), 0
		var mu sync.Mutex
		b, kept := inboxed(t, func(o *engine.Options) {
			o.Bus = bus
			o.Hooks.Rejected = func(topic string, err error) {
				mu.Lock()
				defer mu.Unlock()
				if refused++; topic != "inbox" || err == nil {
					t.Errorf("rejected on %s: %v", topic, err)
				}
			}
		})
		defer b.close()
		for range 2 {
			for i := range messages {
				publishTo(t, bus, submission(i))
			}
		}
		for i := range bad {
			publishTo(t, bus, malformed(i))
		}
		pass(time.Hour)
		if m, keys := b.told(); m != messages || keys != messages {
			t.Errorf("%d messages were accepted under %d keys, want %d", m, keys, messages)
		}
		if n := len(kept.byID(t)); n != bad || refused != bad {
			t.Errorf("%d envelopes are put aside, %d counted, want %d", n, refused, bad)
		}
	})
}

func publishTo(t *testing.T, bus ports.Bus, e ports.Envelope) {
	t.Helper()
	if err := bus.Publish(t.Context(), inboxTopic, e); err != nil {
		t.Fatal(err)
	}
}

// TestInboxOverBadger is the same over the disk, in real time and small.
func TestInboxOverBadger(t *testing.T) {
	t.Parallel()
	const messages, bad = 100, 20
	store, err := badgerstore.Open(t.Context(), badgerstore.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), DiskFloor: 1})
	if err != nil {
		t.Fatal(err)
	}
	bus := &countingBus{Bus: goBus(), acknowledged: make(chan struct{}, 2*messages+bad)}
	kept := &aside{all: make(chan struct{}), want: bad}
	b := open(t, func(o *engine.Options) {
		o.Store, o.Bus, o.Inbox = store, bus, true
		o.Bus.Handle(inboxTopic+".rejected", kept.handle)
	})
	defer b.close()
	for range 2 {
		for i := range messages {
			publishTo(t, bus, submission(i))
		}
	}
	for i := range bad {
		publishTo(t, bus, malformed(i))
	}
	for range 2*messages + bad {
		<-bus.acknowledged
	}
	<-kept.all
	if m, keys := b.told(); m != messages || keys != messages {
		t.Errorf("%d messages were accepted under %d keys, want %d", m, keys, messages)
	}
	if n := len(kept.byID(t)); n != bad {
		t.Errorf("%d envelopes are put aside, want %d", n, bad)
	}
}

// A countingBus tells of each envelope of the inbox that is acknowledged.
type countingBus struct {
	ports.Bus
	acknowledged chan struct{}
}

func (b *countingBus) Handle(topic string, h ports.Handler) {
	b.Bus.Handle(topic, func(ctx context.Context, e ports.Envelope) error {
		err := h(ctx, e)
		if err == nil && topic == inboxTopic {
			b.acknowledged <- struct{}{}
		}
		return err
	})
}
