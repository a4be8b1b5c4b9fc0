package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/adapters/nats"
)

// A place is where a broker is, which a test takes away and brings back.
type place struct {
	url       string
	kill      func()
	bringBack func()
}

// everywhere runs a test over a server within it, and over real ones.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		test(t, place{s.url(), s.stop, s.start})
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		c := newReal(t, 1)
		test(t, place{c.URL(), c.Nodes[0].Kill, func() {
			if err := c.Nodes[0].Restart(t.Context()); err != nil {
				t.Error(err)
			}
		}})
	})
	t.Run("real cluster", func(t *testing.T) {
		t.Parallel()
		c, next := newReal(t, 3), 0
		test(t, place{c.URL() + "?replicas=3", func() { c.Nodes[next%3].Kill() }, func() {
			if err := c.Nodes[next%3].Restart(t.Context()); err != nil {
				t.Error(err)
			}
			next++
		}})
	})
}

// The broker is killed and comes back three times while four publish and two transports receive. What was published without an error
// arrives; what comes twice was under way at a kill.
func TestBrokerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p place) {
		t.Helper()
		const kills, topic = 3, "loss.tasks"
		quickConsumer(t, p.url, topic)
		load := startLoad(t, p.url, topic)
		for range kills {
			load.awaitPublished(t, 300)
			p.kill()
			load.awaitRefused(t)
			p.bringBack()
		}
		load.awaitPublished(t, 300)
		load.stopPublishing()
		published, twice := load.awaitAll(t)
		t.Logf("%d published, %d deliveries repeated, %d publishes refused", published, twice, load.refused)
		// 2 transports with 256 handed out and 64 fetched, 4 publishers whose confirmation was lost.
		if most := kills * (2*(256+64) + 4); twice > most {
			t.Errorf("%d deliveries repeated, want at most the %d that can be under way", twice, most)
		}
	})
}

// quickConsumer makes what the adapter would make, but takes messages back after 2 s, for a test need not wait 30.
func quickConsumer(t *testing.T, url, topic string) {
	t.Helper()
	servers, parameters, _ := strings.Cut(url, "?")
	_, js := outside(t, servers)
	name := strings.ReplaceAll(topic, ".", "-")
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: name, Subjects: []string{topic}, Retention: jetstream.WorkQueuePolicy, Replicas: 1 + strings.Count(parameters, "replicas=3")*2,
		Duplicates: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: name, FilterSubject: topic, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxAckPending: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A load is four publishers and two receivers.
type load struct {
	end     context.CancelFunc
	running sync.WaitGroup
	changed chan struct{} // something below has changed

	mu        sync.Mutex
	published map[string]bool
	received  map[string]int
	refused   int
}

func startLoad(t *testing.T, url, topic string) *load {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	l := &load{end: end, changed: make(chan struct{}, 1), published: map[string]bool{}, received: map[string]int{}}
	t.Cleanup(l.stopPublishing)
	for range 2 {
		messages, err := openURL(t, url).Subscribe(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		go func() { // ends when the transport is closed
			for m := range messages {
				l.note(func() { l.received[m.UUID]++ })
				m.Ack()
			}
		}()
	}
	publisher := openURL(t, url)
	for range 4 {
		l.running.Go(func() { // joined by stopPublishing
			for ctx.Err() == nil {
				m := newMessage("body")
				if err := publisher.Publish(topic, m); err != nil {
					l.note(func() { l.refused++ })
					continue
				}
				l.note(func() { l.published[m.UUID] = true })
			}
		})
	}
	return l
}

func (l *load) note(what func()) {
	l.mu.Lock()
	what()
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *load) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for {
		l.mu.Lock()
		done := so()
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			t.Fatalf("waited for %s, in vain: %d published, %d received, %d refused", what, len(l.published), len(l.received), l.refused)
		}
	}
}

func (l *load) awaitPublished(t *testing.T, more int) {
	t.Helper()
	l.mu.Lock()
	until := len(l.published) + more
	l.mu.Unlock()
	l.await(t, "messages to be published", func() bool { return len(l.published) >= until })
}

// awaitRefused waits until the loss has been noticed, or, in a cluster that goes on without one node, until it has gone on.
func (l *load) awaitRefused(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	refused, published := l.refused, len(l.published)
	l.mu.Unlock()
	l.await(t, "the loss to be noticed", func() bool { return l.refused > refused || len(l.published) > published+300 })
}

func (l *load) stopPublishing() {
	l.end()
	l.running.Wait()
}

func (l *load) awaitAll(t *testing.T) (published, twice int) {
	t.Helper()
	l.await(t, "all that was published", func() bool {
		for id := range l.published {
			if l.received[id] == 0 {
				return false
			}
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.received {
		twice += times - 1
	}
	return len(l.published), twice
}

func TestBrokerAbsentAtStart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.stop()
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "absent.tasks")
	if err != nil {
		t.Fatal(err)
	}
	want := "publish 1 messages to absent.tasks over NATS: NATS cannot be reached at " + s.url() + ": "
	if err := transport.Publish("absent.tasks", newMessage("early")); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Publish without a broker = %v, want %s...", err, want)
	}
	if err := transport.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be reached at "+s.url()) {
		t.Errorf("Health without a broker = %v", err)
	}
	s.start()
	awaitHealth(t, transport, nil)
	sent := newMessage("late")
	if err := transport.Publish("absent.tasks", sent); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages, "the message")
	m.Ack()
	if m.UUID != sent.UUID {
		t.Errorf("got %s %q, want %s: what was refused was kept", m.UUID, m.Payload, sent.UUID)
	}
}

// awaitHealth waits until Health says what is wanted: nothing, or an error with a text. Nothing tells when that is so.
func awaitHealth(t *testing.T, transport *nats.Transport, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := transport.Health(ctx)
		if want == nil && err == nil || want != nil && err != nil && strings.Contains(err.Error(), want.Error()) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("Health = %v, want %v", err, want)
		}
	}
}

// The broker comes back with an empty disk, or somebody deletes a stream: both are made anew, for publishers and for subscribers.
func TestStreamLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, js := outside(t, s.url())
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "lost.tasks")
	if err != nil {
		t.Fatal(err)
	}
	publishAndReceive(t, transport, messages, "lost.tasks")
	for _, topic := range []string{"lost.tasks", "unread.tasks", "lost.tasks", "unread.tasks"} {
		if err := transport.Publish("unread.tasks", newMessage("")); err != nil {
			t.Fatal(err)
		}
		if err := js.DeleteStream(t.Context(), strings.ReplaceAll(topic, ".", "-")); err != nil {
			t.Fatal(err)
		}
		publishAndReceive(t, transport, messages, "lost.tasks")
	}
	publishAndReceive(t, transport, messages, "lost.tasks")
	s.stop()
	s.o.StoreDir = t.TempDir()
	s.start()
	awaitHealth(t, transport, nil)
	publishAndReceive(t, transport, messages, "lost.tasks")
}

func publishAndReceive(t *testing.T, transport *nats.Transport, messages <-chan *message.Message, topic string) {
	t.Helper()
	sent := message.NewMessage(watermill.NewUUID(), []byte("body"))
	if err := transport.Publish(topic, sent); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages, fmt.Sprintf("message %s of %s", sent.UUID, topic))
	m.Ack()
	if m.UUID != sent.UUID {
		t.Errorf("got message %s, want %s", m.UUID, sent.UUID)
	}
}

func TestOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, js := outside(t, s.url())
	transport := openURL(t, s.url()+"?create=false")
	const noStream = "no stream of NATS takes the subject there.tasks, and none is to be created; " +
		"create one (nats stream add there-tasks --subjects there.tasks), or leave out create=false"
	if err := transport.Publish("there.tasks", newMessage("")); err == nil || !strings.HasSuffix(err.Error(), noStream) {
		t.Errorf("Publish = %v, want %s", err, noStream)
	}
	if err := transport.Health(t.Context()); err == nil || err.Error() != "publish to there.tasks: "+noStream {
		t.Errorf("Health = %v, want %s", err, noStream)
	}
	messages, err := transport.Subscribe(t.Context(), "there.tasks")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "MINE", Subjects: []string{"there.>"}})
	if err != nil {
		t.Fatal(err)
	}
	awaitHealth(t, transport, errors.New("subscribe to there.tasks: stream MINE of NATS has no consumer there-tasks"))
	_, err = stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: "there-tasks", FilterSubject: "there.tasks", AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitHealth(t, transport, nil)
	publishAndReceive(t, transport, messages, "there.tasks")
}

// A broker that hangs is as good as away: Publish gives up after 5 s, and all goes on when it goes on.
func TestBrokerHangs(t *testing.T) {
	t.Parallel()
	c := newReal(t, 1)
	quickConsumer(t, c.URL(), "hangs.tasks") // what the server hands to the connection that was given up comes again after that
	transport := openURL(t, c.URL())
	messages, err := transport.Subscribe(t.Context(), "hangs.tasks")
	if err != nil {
		t.Fatal(err)
	}
	publishAndReceive(t, transport, messages, "hangs.tasks")
	c.Nodes[0].Pause()
	t.Cleanup(c.Nodes[0].Resume)
	for range 3 { // the third finds the connection given up after two pings
		if err := transport.Publish("hangs.tasks", newMessage("not stored")); err == nil {
			t.Error("Publish to a broker that hangs has no error")
		}
	}
	if err := transport.Health(t.Context()); err == nil {
		t.Error("Health of a broker that hangs has no error")
	}
	c.Nodes[0].Resume()
	awaitHealth(t, transport, nil)
	sent := newMessage("body")
	if err := transport.Publish("hangs.tasks", sent); err != nil {
		t.Fatal(err)
	}
	for { // what was refused may have been stored all the same
		m := receive(t, messages, "the message")
		m.Ack()
		if m.UUID == sent.UUID {
			return
		}
	}
}

// What is acknowledged while the broker is away is done when it is back.
func TestAcknowledgedWhileAway(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	transport := openURL(t, s.url())
	messages, err := transport.Subscribe(t.Context(), "away.tasks")
	if err != nil {
		t.Fatal(err)
	}
	if err := transport.Publish("away.tasks", newMessage("body")); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages, "the message")
	s.stop()
	awaitHealth(t, transport, errors.New("cannot be reached"))
	m.Ack()
	s.start()
	_, js := outside(t, s.url())
	awaitEmpty(t, js, "away-tasks")
}
