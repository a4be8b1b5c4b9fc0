// Package portstest proves adapters and breaks them on purpose. For each port it has a conformance suite, which an adapter
// runs from its own tests ([Bus], [Caller], ...), and a stand-in that a test can make fail ([FaultBus], [ScriptedCaller], ...).
//
// It is for tests only: it imports package testing, and nothing that is shipped imports it.
package portstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/ports"
)

// busPatience bounds each wait of the suite: long enough for a broker in a container that has just started.
const busPatience = 60 * time.Second

// Bus runs the conformance suite of [ports.Bus]. open returns a bus that has no handler yet; the suite runs it once and ends it,
// and every bus that it opens uses topics of its own. Subtests run in parallel.
//
// It does not ask that several handlers of a topic run at the same time, which some transports cannot do;
// [BusConcurrency] does. Nor that a bus is local; [BusLocal] does.
func Bus(t *testing.T, open func(t *testing.T) ports.Bus) {
	t.Helper()

	t.Run("delivers what many publish", func(t *testing.T) { t.Parallel(); deliversAll(t, open(t)) })
	t.Run("delivers unchanged", func(t *testing.T) { t.Parallel(); deliversUnchanged(t, open(t)) })
	t.Run("keeps nothing of the publisher's", func(t *testing.T) { t.Parallel(); keepsNothing(t, open(t)) })
	t.Run("delivers again after an error", func(t *testing.T) {
		t.Parallel()
		deliversAgain(t, open(t), func() error { return errFirst })
	})
	t.Run("delivers again after a panic", func(t *testing.T) {
		t.Parallel()
		deliversAgain(t, open(t), func() error { panic("panic of the test") })
	})
	t.Run("keeps topics apart", func(t *testing.T) { t.Parallel(); keepsTopicsApart(t, open(t)) })
	t.Run("runs without handlers", func(t *testing.T) { t.Parallel(); startBus(t, open(t))() })
	t.Run("stop waits for handlers", func(t *testing.T) { t.Parallel(); stopWaits(t, open(t)) })
	t.Run("publish refuses after the end", func(t *testing.T) { t.Parallel(); refusesAfterEnd(t, open(t)) })
	t.Run("publish heeds its context", func(t *testing.T) { t.Parallel(); heedsContext(t, open(t)) })
}

// BusConcurrency checks that handlers of one topic run at the same time, n of them at least.
func BusConcurrency(t *testing.T, n int, open func(t *testing.T) ports.Bus) {
	t.Helper()

	bus, topic := open(t), newTopic()
	inside, all := make(chan struct{}), make(chan struct{})

	bus.Handle(topic, func(ctx context.Context, _ ports.Envelope) error {
		select {
		case inside <- struct{}{}:
		case <-all: // an envelope that was delivered twice
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}

		select {
		case <-all:
		case <-ctx.Done():
		}

		return nil
	})
	startBus(t, bus)
	publish(t, bus, topic, newEnvelopes(n)...)

	for range n {
		receive(t, inside, "a further handler to begin while the others run")
	}

	close(all)
}

// BusLocal checks that a bus says that it is local, and that whoever handles an envelope gets the very Content that was published, at every
// delivery.
func BusLocal(t *testing.T, open func(t *testing.T) ports.Bus) {
	t.Helper()

	bus, topic, got := open(t), newTopic(), make(chan ports.Envelope)
	if local, ok := bus.(ports.Local); !ok || !local.Local() {
		t.Error("the bus does not say that it is local")
	}

	var refused atomic.Bool

	bus.Handle(topic, func(ctx context.Context, e ports.Envelope) error {
		if err := handleInto(got)(ctx, e); err != nil || !refused.CompareAndSwap(false, true) {
			return err
		}

		return errFirst
	})
	startBus(t, bus)

	content := new([]string)
	sent := ports.Envelope{ID: rand.Text(), Meta: map[string]string{"name": "value"}, Content: content}
	publish(t, bus, topic, sent)

	for _, which := range []string{"first", "second"} {
		e := receive(t, got, "the "+which+" delivery")
		checkSame(t, e, sent)

		if e.Content != any(content) {
			t.Errorf("the %s delivery has the content %v, want what was published", which, e.Content)
		}
	}
}

// BusLeaks checks that a bus that has run leaves no goroutine behind. It must not run beside other tests, whose goroutines
// it would see.
func BusLeaks(t *testing.T, open func(t *testing.T) ports.Bus) {
	t.Helper()

	before := goleak.IgnoreCurrent()
	bus, topic := open(t), newTopic()
	got := make(chan ports.Envelope)

	bus.Handle(topic, handleInto(got))
	bus.Handle(newTopic(), handleInto(got))

	stop := startBus(t, bus)

	publish(t, bus, topic, newEnvelopes(1)...)
	receive(t, got, "the envelope")
	stop()

	if err := goleak.Find(before); err != nil {
		t.Errorf("after Run has returned: %v", err)
	}
}

func deliversAll(t *testing.T, bus ports.Bus) {
	t.Helper()

	const publishers, each = 8, 25

	topic, got := newTopic(), make(chan ports.Envelope)
	bus.Handle(topic, handleInto(got))
	startBus(t, bus)

	missing := map[string]bool{}

	var group sync.WaitGroup
	defer group.Wait()

	for range publishers {
		envelopes := newEnvelopes(each)
		for _, e := range envelopes {
			missing[e.ID] = true
		}

		group.Go(func() {
			for _, e := range envelopes[2:] {
				publish(t, bus, topic, e)
			}

			publish(t, bus, topic, envelopes[:2]...)
		})
	}

	for len(missing) > 0 {
		delete(missing, receive(t, got, fmt.Sprintf("%d further envelopes", len(missing))).ID)
	}
}

func deliversUnchanged(t *testing.T, bus ports.Bus) {
	t.Helper()

	topic, got := newTopic(), make(chan ports.Envelope)
	bus.Handle(topic, handleInto(got))
	startBus(t, bus)

	large := make([]byte, 256<<10)
	_, _ = rand.Read(large) // never fails, says its documentation

	sent := map[string]ports.Envelope{}
	for i, e := range []ports.Envelope{
		{Body: nil},
		{Body: []byte{}, Meta: map[string]string{}},
		{Key: "slot 7", Body: []byte(`{"a":1}`)},
		{Key: "Käse/€", Meta: map[string]string{"format": "1", "engine-id": "ph_1"}, Body: []byte("\x00\xff\r\n")},
		{Meta: map[string]string{"text": "zwölf Boxkämpfer"}, Body: large},
	} {
		e.ID = fmt.Sprintf("%s-%d", rand.Text(), i)
		sent[e.ID] = e
		publish(t, bus, topic, e)
	}

	for len(sent) > 0 {
		e := receive(t, got, fmt.Sprintf("%d further envelopes", len(sent)))
		if want, ok := sent[e.ID]; ok {
			checkSame(t, e, want)
			delete(sent, e.ID)
		}
	}
}

func checkSame(t *testing.T, got, want ports.Envelope) {
	t.Helper()

	if got.ID != want.ID || got.Key != want.Key || !maps.Equal(got.Meta, want.Meta) {
		t.Errorf("envelope arrived as id %q key %q meta %q, want %q, %q, %q", got.ID, got.Key, got.Meta, want.ID, want.Key, want.Meta)
	}

	if !bytes.Equal(got.Body, want.Body) {
		t.Errorf("envelope %s arrived with another body of %d bytes, want %d", want.ID, len(got.Body), len(want.Body))
	}
}

// keepsNothing changes the envelope right after Publish and then lets the first handler fail, so that a transport that kept
// the publisher's slices delivers what it should not.
func keepsNothing(t *testing.T, bus ports.Bus) {
	t.Helper()

	topic, got, may := newTopic(), make(chan ports.Envelope), make(chan struct{})
	bus.Handle(topic, func(ctx context.Context, e ports.Envelope) error {
		select {
		case <-may:
		case <-ctx.Done():
		}

		return handleInto(got)(ctx, e)
	})
	startBus(t, bus)

	e := ports.Envelope{ID: rand.Text(), Meta: map[string]string{"name": "before"}, Body: []byte("before")}
	publish(t, bus, topic, e)
	copy(e.Body, "after!")
	e.Meta["name"] = "after"
	close(may)

	if arrived := receive(t, got, "the envelope"); string(arrived.Body) != "before" || arrived.Meta["name"] != "before" {
		t.Errorf("arrived with body %q and meta %q, want what it was when Publish was called", arrived.Body, arrived.Meta)
	}
}

var errFirst = errors.New("refused by the test")

func deliversAgain(t *testing.T, bus ports.Bus, fail func() error) {
	t.Helper()

	topic, got := newTopic(), make(chan ports.Envelope)

	var once sync.Once

	bus.Handle(topic, func(ctx context.Context, e ports.Envelope) (err error) {
		once.Do(func() { err = errFirst })

		if err != nil {
			return fail()
		}

		return handleInto(got)(ctx, e)
	})
	startBus(t, bus)

	sent := ports.Envelope{ID: rand.Text(), Key: "key", Meta: map[string]string{"name": "value"}, Body: []byte("body")}
	publish(t, bus, topic, sent)
	checkSame(t, receive(t, got, "the second delivery"), sent)
}

func keepsTopicsApart(t *testing.T, bus ports.Bus) {
	t.Helper()

	const each = 20

	var missing [2]map[string]bool

	topics := [2]string{newTopic(), newTopic()}
	got := [2]chan ports.Envelope{make(chan ports.Envelope), make(chan ports.Envelope)}

	for i := range topics {
		bus.Handle(topics[i], handleInto(got[i]))
	}

	startBus(t, bus)

	for i := range topics {
		missing[i] = map[string]bool{}

		for _, e := range newEnvelopes(each) {
			missing[i][e.ID] = true
			publish(t, bus, topics[i], e)
		}
	}

	for i := range topics {
		all := maps.Clone(missing[i])
		for len(missing[i]) > 0 {
			e := receive(t, got[i], "an envelope of topic "+topics[i])
			if !all[e.ID] {
				t.Fatalf("handler of topic %s got envelope %s of another", topics[i], e.ID)
			}

			delete(missing[i], e.ID)
		}
	}
}

// newTopic returns a name that no other bus of this suite uses, fit for all brokers (SQS: 80 of letters, digits, - and _).
func newTopic() string { return "portstest-" + strings.ToLower(rand.Text()) }

func newEnvelopes(n int) []ports.Envelope {
	envelopes := make([]ports.Envelope, n)
	for i := range envelopes {
		envelopes[i] = ports.Envelope{ID: rand.Text(), Body: []byte{byte(i)}}
	}

	return envelopes
}
