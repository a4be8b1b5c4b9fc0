package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A handBus gives a test the engine's handlers, so that it can deliver by hand what a broker would.
type handBus struct {
	ports.Bus
	handlers map[string]ports.Handler
	refuse   func(topic string, e ports.Envelope) error // nil for none
	put      map[string][]ports.Envelope
}

func newHandBus() *handBus {
	return &handBus{Bus: goBus(), handlers: map[string]ports.Handler{}, put: map[string][]ports.Envelope{}}
}

func (b *handBus) Handle(topic string, h ports.Handler) {
	b.handlers[topic] = h
	b.Bus.Handle(topic, h)
}

func (b *handBus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	if !strings.HasSuffix(topic, ".rejected") {
		return b.Bus.Publish(ctx, topic, envelopes...)
	}
	for _, e := range envelopes {
		if b.refuse != nil {
			if err := b.refuse(topic, e); err != nil {
				return err
			}
		}
		e.Meta = maps.Clone(e.Meta)
		b.put[topic] = append(b.put[topic], e)
	}
	return nil
}

// deliver hands an envelope to the engine, and returns nil when it is acknowledged.
func (b *handBus) deliver(e ports.Envelope) error {
	return b.handlers[inboxTopic](context.Background(), e)
}

func handed(t *testing.T, change ...func(*engine.Options)) (*bench, *handBus) {
	t.Helper()
	bus := newHandBus()
	return open(t, append(change, func(o *engine.Options) { o.Inbox, o.Bus = true, bus })...), bus
}

// TestInboxAfterACrash breaks each write of some deliveries, before and after its effect, and brings all of them again after the restart:
// three days later, for an engine may be stopped over a weekend.
func TestInboxAfterACrash(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*portstest.FaultStore, int){
		"before": func(f *portstest.FaultStore, k int) { f.FailBefore(k, errCrash) },
		"after":  func(f *portstest.FaultStore, k int) { f.FailAfter(k, errCrash) },
	} {
		for k := 2; k <= 5; k++ { // the first is the opening's
			t.Run(fmt.Sprint(name, k), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					disk := memstore.New()
					faults := portstest.NewFaultStore(disk)
					fail(faults, k)
					b, bus := handed(t, func(o *engine.Options) { o.Store = &session{Store: faults} })
					acknowledged := 0
					for i := range 4 {
						if err := bus.deliver(submission(i)); err == nil {
							acknowledged++
						}
					}
					wantErr(t, b.Close(), errCrash)
					if want := k - 2; acknowledged != want {
						t.Errorf("%d envelopes were acknowledged, want %d: those that were surely stored", acknowledged, want)
					}
					pass(72 * time.Hour)
					b, bus = handed(t, func(o *engine.Options) { o.Store = &session{Store: disk} })
					defer b.close()
					for i := range 4 {
						if err := bus.deliver(submission(i)); err != nil {
							t.Errorf("envelope %d comes again: %v", i, err)
						}
					}
					if m, keys := b.told(); m != 4 || keys != 4 {
						t.Errorf("%d messages were accepted under %d keys, want 4", m, keys)
					}
					if n := len(bus.put[inboxTopic+".rejected"]); n != 0 {
						t.Errorf("%d envelopes were put aside", n)
					}
					wantVerified(t, disk)
				})
			})
		}
	}
}

// TestInboxKeysAreOver: keys are forgotten a day later, when the engine has run for an hour.
func TestInboxKeysAreOver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b, bus := handed(t)
		defer b.close()
		for range 2 {
			wantErr(t, bus.deliver(submission(1)), nil)
			pass(26 * time.Hour)
		}
		if m, _ := b.told(); m != 2 {
			t.Errorf("%d messages, want a second one after a day", m)
		}
	})
}

// TestInboxKeysAreApart: another body under a key is refused; what other doors and companies took under the same key is not asked.
func TestInboxKeysAreApart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b, bus := handed(t)
		defer b.close()
		if _, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "api", Data: []byte(`1`), IdempotencyKey: "k"}); err != nil {
			t.Fatal(err)
		}
		const key = `"company":"42","idempotencyKey":"k"`
		deliveries := []struct {
			id, body string
			messages int // in the log, from here on
		}{
			{"e1", `{` + key + `,"message":{"eventType":"n","data":1}}`, 2},
			{"e2", `{` + key + `, "message": {"data":1,"eventType":"n"}}`, 2}, // the same
			{"k", `{"company":"42","message":{"eventType":"n","data":1}}`, 3}, // by its envelope
			{"e3", `{"company":"43","idempotencyKey":"k","message":{"eventType":"n","data":1}}`, 4},
			{"e4", `{` + key + `,"candidate":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}`, 4}, // another body
			{"e5", `{` + key + `,"message":{"eventType":"n","data":2}}`, 4},                                            // another body
			{"e6", `{"company":"42","idempotencyKey":"c","candidate":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}`, 5},
			{"e7", `{"company":"42","idempotencyKey":"c","candidate":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}`, 5},
		}
		for _, d := range deliveries {
			if err := bus.deliver(ports.Envelope{ID: d.id, Body: []byte(d.body)}); err != nil {
				t.Errorf("envelope %s: %v", d.id, err)
			}
			if m, _ := b.told(); m != d.messages {
				t.Errorf("%d messages after envelope %s, want %d", m, d.id, d.messages)
			}
		}
		var aside []string
		for _, e := range bus.put[inboxTopic+".rejected"] {
			aside = append(aside, e.ID+": "+e.Meta["posthorn-reason"])
		}
		const why = `: invalid: idempotency key "k" was used for another request; a key stands for one; take a new key`
		if got, want := strings.Join(aside, "\n"), "e4"+why+"\ne5"+why; got != want {
			t.Errorf("put aside:\n%s\nwant:\n%s", got, want)
		}
		candidates, err := b.Candidates(t.Context(), engine.ListQuery{Company: "42"})
		if err != nil || len(candidates.Items) != 1 {
			t.Errorf("candidates = %+v, %v; want one", candidates.Items, err)
		}
	})
}

// TestInboxErrsOnlyForAWhile: what may be accepted later is not acknowledged and not put aside.
func TestInboxErrsOnlyForAWhile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		low := &lowDisk{Store: memstore.New()}
		b, bus := handed(t, func(o *engine.Options) { o.Store = low })
		low.set(true)
		wantErr(t, bus.deliver(submission(1)), ports.ErrDiskLow)
		low.set(false)
		pass(10 * time.Second)
		wantErr(t, bus.deliver(submission(1)), nil)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := bus.handlers[inboxTopic](ctx, submission(2)); !errors.Is(err, context.Canceled) {
			t.Errorf("a delivery that the bus breaks off = %v", err)
		}
		b.close()
		wantErr(t, bus.deliver(submission(3)), ports.ErrClosed)
		if n := len(bus.put[inboxTopic+".rejected"]); n != 0 {
			t.Errorf("%d envelopes were put aside", n)
		}
	})
}
