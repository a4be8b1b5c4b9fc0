package nats_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/ports"
)

// Others publish to the inbox as they like: with core NATS or JetStream, with headers or without.
func TestMessagesFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn, js := outside(t, s.url())
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "ph.inbox")
	if err != nil {
		t.Fatal(err)
	}
	publishAndReceive(t, transport, messages, "ph.inbox") // so that there is a stream

	if err := conn.Publish("ph.inbox", []byte("plain")); err != nil {
		t.Fatal(err)
	}
	first := receive(t, messages, "the plain message")
	first.Nack()
	again := receive(t, messages, "the plain message again")
	again.Ack()
	if first.UUID != "ph-inbox/2" || again.UUID != first.UUID || string(again.Payload) != "plain" {
		t.Errorf("got %q and then %q with body %q, want ph-inbox/2 and the same again", first.UUID, again.UUID, again.Payload)
	}

	_, err = js.PublishMsg(t.Context(), &natsio.Msg{Subject: "ph.inbox", Header: natsio.Header{
		"Nats-Msg-Id": {"theirs"}, "Content-Type": {"application/json"}, "ce-type": {"a", "b"}, "bad name": {"x"}, "Nats-Expected-Stream": {"ph-inbox"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages, "the message with headers")
	if want := (message.Metadata{"content-type": "application/json", "ce-type": "a, b"}); m.UUID != "theirs" || !maps.Equal(m.Metadata, want) {
		t.Errorf("got id %q and metadata %q, want theirs and %q", m.UUID, m.Metadata, want)
	}
	if err := transport.Publish("ph.inbox.rejected", m); err != nil {
		t.Errorf("what has come cannot be sent on: %v", err)
	}
	m.Ack()
}

// What looks like the server's own words is taken for them by nats.go, and stays in the stream. It may end the fetching, so that what was
// on its way comes again later, but nothing is lost by it.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn, _ := outside(t, s.url())
	quickConsumer(t, s.url(), "poison.inbox")
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "poison.inbox")
	if err != nil {
		t.Fatal(err)
	}
	publishAndReceive(t, transport, messages, "poison.inbox")
	for _, status := range []string{"100", "400", "404", "408", "409", "503"} {
		if err := conn.PublishMsg(&natsio.Msg{Subject: "poison.inbox", Header: natsio.Header{"Status": {status}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	waiting := map[string]bool{}
	for range 100 {
		m := newMessage("")
		if err := transport.Publish("poison.inbox", m); err != nil {
			t.Fatal(err)
		}
		waiting[m.UUID] = true
	}
	for len(waiting) > 0 {
		m := receive(t, messages, "a message behind the poison")
		m.Ack()
		delete(waiting, m.UUID)
	}
}

func TestRefusesHeaders(t *testing.T) {
	t.Parallel()
	transport := openURL(t, newServer(t).url())
	for _, name := range []string{"posthorn-id", "Nats-Rollup", "", "a b", "a:b", "ä"} {
		m := message.NewMessage("m1", nil)
		m.Metadata[name] = "x"
		err := transport.Publish("ph.tasks", m)
		if err == nil || !strings.Contains(err.Error(), `message m1 refused: "`+name+`" cannot be the name of a header of NATS; use letters`) {
			t.Errorf("Publish with a header %q = %v", name, err)
		}
	}
}

func TestRefusesTopics(t *testing.T) {
	t.Parallel()
	transport := openURL(t, newServer(t).url())
	for _, topic := range []string{"", "a b", "a.*", "a.>", ".a", "a.", "a..b", "$JS.API", "a\x00"} {
		if err := transport.Publish(topic, newMessage("")); err == nil || !strings.Contains(err.Error(), "refused: NATS has no such subject; use words") {
			t.Errorf("Publish to %q = %v", topic, err)
		}
		if _, err := transport.Subscribe(t.Context(), topic); err == nil {
			t.Errorf("Subscribe to %q has no error", topic)
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newServer(t) // takes 1 MiB
	_, js := outside(t, s.url())
	transport := openURL(t, s.url())
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "small", Subjects: []string{"small.tasks"}, MaxMsgSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for topic, test := range map[string]struct {
		size int
		want string
	}{
		"ph.tasks": {
			1 << 20,
			"message m1 of 1048576 bytes and its headers refused: the server takes 1048576 bytes; raise max_payload in its configuration",
		},
		"small.tasks": {1000, "message m1 of 1000 bytes refused: the stream takes less"},
	} {
		err := transport.Publish(topic, message.NewMessage("m1", make([]byte, test.size)))
		if !errors.Is(err, ports.ErrTooLarge) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Publish of %d bytes to %s = %v, want %s", test.size, topic, err, test.want)
		}
	}
	// The largest that fits arrives whole.
	messages, err := transport.Subscribe(t.Context(), "ph.tasks")
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 1<<20-200)
	if err := transport.Publish("ph.tasks", message.NewMessage("m2", body)); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages, "the largest message")
	m.Ack()
	if !bytes.Equal(m.Payload, body) {
		t.Errorf("arrived with %d bytes, want %d unchanged", len(m.Payload), len(body))
	}
}

// One message goes to one subscriber of its topic, whatever the process; events go to everybody who reads them.
func TestWhoGetsWhat(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, js := outside(t, s.url())
	a, b := openURL(t, s.url()), openURL(t, s.url())
	got := map[string]int{}
	ofA, err := a.Subscribe(t.Context(), "ph.tasks")
	if err != nil {
		t.Fatal(err)
	}
	ofB, err := b.Subscribe(t.Context(), "ph.tasks")
	if err != nil {
		t.Fatal(err)
	}
	const all = 500
	for range all {
		if err := a.Publish("ph.tasks", newMessage("")); err != nil {
			t.Fatal(err)
		}
	}
	for range all {
		select {
		case m := <-ofA:
			got[m.UUID]++
			m.Ack()
		case m := <-ofB:
			got[m.UUID]++
			m.Ack()
		}
	}
	if len(got) != all {
		t.Errorf("%d deliveries were of %d messages", all, len(got))
	}

	if err := a.Publish("ph.events", newMessage("1"), newMessage("2")); err != nil {
		t.Fatal(err)
	}
	for _, reader := range []string{"theirs", "others"} {
		c, err := js.CreateConsumer(t.Context(), "ph-events", jetstream.ConsumerConfig{Durable: reader})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"1", "2"} {
			if m, err := c.Next(jetstream.FetchMaxWait(patience)); err != nil || string(m.Data()) != want {
				t.Errorf("reader %s got %v, %v, want event %s", reader, m, err, want)
			}
		}
	}
	checkStreams(t, js)
}

// checkStreams holds what is created to what Open promises.
func checkStreams(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	for name, want := range map[string]jetstream.StreamConfig{
		"ph-tasks":  {Retention: jetstream.WorkQueuePolicy, MaxBytes: -1},
		"ph-events": {Retention: jetstream.LimitsPolicy, MaxAge: 7 * 24 * time.Hour, MaxBytes: 1 << 30},
	} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		if c.Retention != want.Retention || c.MaxAge != want.MaxAge || c.MaxBytes != want.MaxBytes ||
			c.Storage != jetstream.FileStorage || c.Duplicates != 30*time.Second {
			t.Errorf("stream %s was created as %+v", name, c)
		}
	}
}

// A handler may take longer than the broker waits for an answer.
func TestHeldIsNotGivenToOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, js := outside(t, s.url())
	quickConsumer(t, s.url(), "held.tasks") // 2 s
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "held.tasks")
	if err != nil {
		t.Fatal(err)
	}
	if err := transport.Publish("held.tasks", newMessage("slow")); err != nil {
		t.Fatal(err)
	}
	held := receive(t, messages, "the message")
	select {
	case again := <-messages:
		t.Errorf("message %s comes again while it is held", again.UUID)
	case <-time.After(2*time.Second + 500*time.Millisecond): // there is no signal for what must not happen
	}
	held.Ack()
	awaitEmpty(t, js, "held-tasks")
}

// awaitEmpty waits until all is acknowledged.
func awaitEmpty(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		if s.CachedInfo().State.Msgs == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d messages are left in the stream", s.CachedInfo().State.Msgs)
		}
	}
}

// What was handed out or fetched at Close goes to another at once: without that it would take 30 s, longer than receive waits.
func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	leaves, stays := openURL(t, s.url()), openURL(t, s.url())
	const all = 400 // more than are handed out and fetched
	for range all {
		if err := stays.Publish("back.tasks", newMessage("")); err != nil {
			t.Fatal(err)
		}
	}
	ofLeaves, err := leaves.Subscribe(t.Context(), "back.tasks")
	if err != nil {
		t.Fatal(err)
	}
	var held []*message.Message
	for range 256 {
		held = append(held, receive(t, ofLeaves, "a message"))
	}
	held[0].Ack()
	if err := leaves.Close(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-ofLeaves; open {
		t.Error("the channel is open after Close")
	}
	if err := held[1].Context().Err(); err == nil {
		t.Error("the context of a message that was held has not ended with Close")
	}
	ofStays, err := stays.Subscribe(t.Context(), "back.tasks")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for len(got) < all-1 {
		m := receive(t, ofStays, "what was given back")
		m.Ack()
		got[m.UUID] = true
	}
	if got[held[0].UUID] {
		t.Error("what was acknowledged came again")
	}
	for _, err := range []error{leaves.Publish("back.tasks", newMessage("")), leaves.Health(t.Context())} {
		if !errors.Is(err, ports.ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
	if _, err := leaves.Subscribe(t.Context(), "back.tasks"); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("Subscribe after Close = %v, want ErrClosed", err)
	}
}
