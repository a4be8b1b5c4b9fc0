package kafka

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"posthorn/internal/broker"
	"posthorn/internal/freeport"
	"posthorn/ports"
)

// realCluster starts a real Kafka of n nodes for one test, which may do it harm.
func realCluster(t *testing.T, n int) (*broker.Kafka, Options) {
	t.Helper()
	installed := broker.Installed(t, "kafka")
	if testing.Short() {
		t.Skip("starts a Kafka of its own")
	}
	k, err := broker.StartKafka(t.Context(), installed, t.TempDir(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, Options{Brokers: k.Addrs, Logger: logger(t)}
}

// TestBrokerKilledUnderLoad: nothing is lost that was published with a nil error, Publish fails while the broker is away, and all goes on
// by itself when it is back.
func TestBrokerKilledUnderLoad(t *testing.T) { //nolint:paralleltest // it needs the machine
	k, o := realCluster(t, 1)
	transport, topic, j := open(t, o), newTopic(), newJournal()
	listen(t, transport, topic, j, ack)
	running := publishing(t, transport, topic, 16)
	for range 2 {
		running.more(t, 500)
		k.Nodes[0].Kill()
		failed := running.failed()
		running.until(t, func(_, now int) bool { return now > failed })
		if err := k.Nodes[0].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	running.more(t, 500)
	sent := running.stop()
	came := j.wait(t, has(sent...))
	t.Logf("%d published, %d failed, %d came more than once", len(sent), running.failed(), repeated(came))
	if n := repeated(came); n > 2*16 {
		t.Errorf("%d came more than once, and no more than %d were under way", n, 2*16)
	}
}

// TestNodesKilledUnderLoad kills one node of three after the other: all that was published with a nil error arrives.
func TestNodesKilledUnderLoad(t *testing.T) { //nolint:paralleltest // it needs the machine
	k, o := realCluster(t, 3)
	transport, topic, j := open(t, o), newTopic(), newJournal()
	listen(t, transport, topic, j, ack)
	running := publishing(t, transport, topic, 16)
	for _, node := range k.Nodes {
		running.more(t, 300)
		node.Kill()
		running.more(t, 300) // with two of three
		if err := node.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sent := running.stop()
	came := j.wait(t, has(sent...))
	t.Logf("%d published, %d failed, %d came more than once", len(sent), running.failed(), repeated(came))
	if n := repeated(came); n > 3*16 {
		t.Errorf("%d came more than once, and no more than %d were under way", n, 3*16)
	}
}

// TestBrokerHangs: a broker that keeps its connections and answers nothing makes Publish and Health fail, and nothing is lost when it goes
// on.
func TestBrokerHangs(t *testing.T) { //nolint:paralleltest // it needs the machine
	k, o := realCluster(t, 1)
	transport, topic, j := open(t, o), newTopic(), newJournal()
	listen(t, transport, topic, j, ack)
	send(t, transport, topic, "before")
	j.wait(t, has("before"))
	k.Nodes[0].Pause()
	if err := transport.Publish(topic, inOnePartition(t, "lost")...); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v, want the end of its time", err)
	}
	if transport.producer.BufferedProduceRecords() != 0 {
		t.Error("what was given up is kept in memory")
	}
	asking, cancel := context.WithCancel(t.Context())
	cancel()
	if err := transport.Health(asking); err == nil {
		t.Error("a broker that hangs is healthy")
	}
	k.Nodes[0].Resume()
	running := publishing(t, transport, topic, 1)
	running.more(t, 10)
	j.wait(t, has(running.stop()...))
}

// TestBrokerAbsent: a transport opens and subscribes without a broker, says what is wrong once, and works when it comes.
func TestBrokerAbsent(t *testing.T) {
	t.Parallel()
	port, err := freeport.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	transport, topic, j := open(t, Options{
		Brokers: []string{"127.0.0.1:" + strconv.Itoa(port)}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}), newTopic(), newJournal()
	stop := listen(t, transport, topic, j, ack)
	if err := transport.Health(t.Context()); err == nil {
		t.Error("healthy without a broker")
	}
	short, cancel := context.WithCancel(t.Context())
	m := message.NewMessageWithContext(short, "early", nil)
	failed := make(chan error, 1)
	go func() { failed <- transport.Publish(topic, m) }() // ends with its context
	cancel()
	if err := <-failed; err == nil {
		t.Error("published without a broker")
	}
	fake(t, kfake.Ports(port))
	running := publishing(t, transport, topic, 1)
	running.more(t, 1)
	j.wait(t, has(running.stop()...))
	if err := transport.Health(t.Context()); err != nil {
		t.Errorf("health: %v", err)
	}
	stop()
	_ = transport.Close()
	if n := strings.Count(log.String(), "msg=\"kafka: broker"); n != 2 {
		t.Errorf("the broker is told of %d times, want that it is in trouble and that it is well again:\n%s", n, log.String())
	}
}

// TestMissingTopic: without leave to create, what is missing is named, and used when somebody has made it.
func TestMissingTopic(t *testing.T) {
	t.Parallel()
	o := fake(t)
	maker := open(t, o)
	o.NoCreate = true
	transport, topic, j := open(t, o), newTopic(), newJournal()
	listen(t, transport, topic, j, ack)
	err := transport.Publish(topic, message.NewMessage("early", nil))
	if err == nil || !strings.Contains(err.Error(), topic+" is missing") || !strings.Contains(err.Error(), "create it") {
		t.Errorf("publish: %v, want that the topic is missing", err)
	}
	if err := transport.Health(t.Context()); err == nil || !strings.Contains(err.Error(), topic) {
		t.Errorf("health: %v, want that the topic is missing", err)
	}
	send(t, maker, topic, "now")
	j.wait(t, has("now"))
	if err := transport.Health(t.Context()); err != nil {
		t.Errorf("health: %v", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	transport := open(t, fake(t))
	messages, err := transport.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := transport.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, open := <-messages; open {
		t.Error("a message came after the end")
	}
	if err := transport.Publish("topic", message.NewMessage("id", nil)); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("publish: %v, want ErrClosed", err)
	}
	if _, err := transport.Subscribe(t.Context(), "topic"); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("subscribe: %v, want ErrClosed", err)
	}
	if err := transport.Health(t.Context()); !errors.Is(err, ports.ErrClosed) {
		t.Errorf("health: %v, want ErrClosed", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Brokers: []string{"a:1"}, SASL: "gssapi"}} {
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("opened with %+v", o)
		}
	}
}
