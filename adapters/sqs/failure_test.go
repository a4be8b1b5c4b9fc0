package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"posthorn/adapters/sqs"
	"posthorn/internal/broker"
	"posthorn/ports"
)

// durable starts a server that keeps its messages over a kill.
func durable(t *testing.T) *broker.SQS {
	t.Helper()
	s, err := broker.StartSQS(t.Context(), broker.Installed(t, "sqs"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func subscribe(t *testing.T, transport *sqs.Transport, topic string) <-chan *message.Message {
	t.Helper()
	messages, err := transport.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// publishUntilTaken publishes again until SQS takes it, and returns how often it did.
func publishUntilTaken(ctx context.Context, transport *sqs.Transport, topic, id string) (tries int) {
	for tries = 1; ctx.Err() == nil; tries++ {
		if transport.Publish(topic, message.NewMessage(id, []byte("body of "+id))) == nil {
			break
		}
	}
	return tries
}

// TestKilledUnderLoad: nothing taken is lost, and what comes twice was under way.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	s := durable(t)
	transport := open(t, s.URL())
	messages := subscribe(t, transport, "load")

	const publishers, each, kills = 16, 40, 2
	var all sync.WaitGroup
	retried := make(chan int, publishers*each)
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				retried <- publishUntilTaken(t.Context(), transport, "load", fmt.Sprintf("%d-%d", p, i))
			}
		})
	}
	came, bodies := map[string]int{}, 0
	for next := publishers * each / 4; len(came) < publishers*each; {
		m := receive(t, messages)
		m.Ack()
		if came[m.UUID]++; string(m.Payload) == "body of "+m.UUID {
			bodies++
		}
		if len(came) == next && next <= kills*publishers*each/4 {
			next += publishers * each / 4
			s.Kill()
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	all.Wait()
	close(retried)
	total, tries := 0, 0
	for _, n := range came {
		total += n
	}
	for n := range retried {
		tries += n - 1
	}
	t.Logf("%d messages, %d came twice, %d publishes failed, over %d kills", len(came), total-len(came), tries, kills)
	if bodies != total {
		t.Errorf("%d of %d deliveries have another body", total-bodies, total)
	}
	if most := kills*256 + tries; total-len(came) > most {
		t.Errorf("%d came twice, at most %d were under way", total-len(came), most)
	}
}

// TestAbsentAtStart: nothing but Publish and Health says so, and all works when it comes.
func TestAbsentAtStart(t *testing.T) {
	t.Parallel()
	s := durable(t)
	s.Kill()
	transport := open(t, s.URL())
	messages := subscribe(t, transport, "absent")
	start := time.Now()
	if err := transport.Publish("absent", message.NewMessage("1", nil)); err == nil {
		t.Error("Publish took a message without a broker")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("Publish failed after %v", took)
	}
	if err := transport.Health(t.Context()); err == nil {
		t.Error("Health is nil without a broker")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	publishUntilTaken(t.Context(), transport, "absent", "2")
	if m := receive(t, messages); m.UUID != "2" {
		t.Errorf("message %s came", m.UUID)
	} else {
		m.Ack()
	}
	if err := transport.Health(t.Context()); err != nil {
		t.Errorf("Health = %v", err)
	}
}

// TestHangingServer: while nothing answers Publish fails within seconds, and what it took before and takes after is there.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	s := durable(t)
	transport := open(t, s.URL())
	messages := subscribe(t, transport, "hanging")
	if err := transport.Publish("hanging", message.NewMessage("before", nil)); err != nil {
		t.Fatal(err)
	}
	receive(t, messages).Ack()
	s.Pause()
	start := time.Now()
	err := transport.Publish("hanging", message.NewMessage("meanwhile", nil)) // it may be taken when the server goes on
	if took := time.Since(start); err == nil || took > time.Minute {
		t.Errorf("Publish = %v after %v", err, took)
	}
	s.Resume()
	publishUntilTaken(t.Context(), transport, "hanging", "after")
	for id := ""; id != "after"; {
		m := receive(t, messages)
		m.Ack()
		id = m.UUID
	}
}

// TestUnansweredComesToAnother: what a closed subscriber had under way is handed to the next at once.
func TestUnansweredComesToAnother(t *testing.T) {
	t.Parallel()
	url, topic := server(t).URL(), newTopic()
	first, second := open(t, url), open(t, url)
	messages := subscribe(t, first, topic)
	sent := map[string]bool{}
	for i := range 20 {
		id := fmt.Sprint(i)
		sent[id] = true
		if err := first.Publish(topic, message.NewMessage(id, []byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		receive(t, messages)
	}
	again := subscribe(t, second, topic)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for len(sent) > 0 {
		m := receive(t, again)
		m.Ack()
		delete(sent, m.UUID)
	}
}

// TestDeadSubscribersMessagesComeAgain: a subscription that ended without an answer, as by the death of its process, keeps messages
// from others for 30 s.
func TestDeadSubscribersMessagesComeAgain(t *testing.T) {
	t.Parallel()
	url, topic := server(t).URL(), newTopic()
	first, second := open(t, url), open(t, url)
	ctx, die := context.WithCancel(t.Context())
	messages, err := first.Subscribe(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	for i := range 5 {
		id := fmt.Sprint(i)
		sent[id] = true
		if err := first.Publish(topic, message.NewMessage(id, []byte("x"))); err != nil {
			t.Fatal(err)
		}
		receive(t, messages)
	}
	die()
	for again := subscribe(t, second, topic); len(sent) > 0; {
		m := receive(t, again)
		m.Ack()
		delete(sent, m.UUID)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	transport, topic := open(t, server(t).URL()), newTopic()
	messages := subscribe(t, transport, topic)
	body := make([]byte, 1<<20)
	err := transport.Publish(topic, message.NewMessage("ok", []byte("x")), message.NewMessage("large", body))
	if !errors.Is(err, ports.ErrTooLarge) || !strings.Contains(err.Error(), "takes 1048576; send less") {
		t.Fatalf("Publish = %v, want ErrTooLarge", err)
	}
	most := body[:780_000]
	if err := transport.Publish(topic, message.NewMessage("most", most)); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages)
	m.Ack()
	if m.UUID != "most" || len(m.Payload) != len(most) {
		t.Errorf("message %s with %d bytes came", m.UUID, len(m.Payload))
	}
}

func TestNoCreate(t *testing.T) {
	t.Parallel()
	s, topic := server(t), newTopic()
	transport := open(t, s.URL()+"&create=false")
	messages := subscribe(t, transport, topic)
	for _, err := range []error{transport.Publish(topic, message.NewMessage("1", nil)), transport.Health(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "find queue "+topic+": the queue does not exist; make it, or allow that it is made (create=true)") {
			t.Errorf("error %v, want that the queue does not exist", err)
		}
	}
	maker := open(t, s.URL())
	if err := maker.Publish(topic, message.NewMessage("2", nil)); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages)
	m.Ack()
	if err := transport.Health(t.Context()); err != nil || m.UUID != "2" {
		t.Errorf("Health = %v, and message %s came", err, m.UUID)
	}
}
