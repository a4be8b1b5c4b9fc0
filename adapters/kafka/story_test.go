package kafka

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

const patience = 60 * time.Second

// A journal writes down which messages come, by id, and how often.
type journal struct {
	mu      sync.Mutex
	came    map[string]int
	changed chan struct{} // closed and made anew when something comes
}

func newJournal() *journal { return &journal{came: map[string]int{}, changed: make(chan struct{})} }

func (j *journal) note(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.came[id]++
	close(j.changed)
	j.changed = make(chan struct{})
}

// wait returns what came once until says so.
func (j *journal) wait(t *testing.T, until func(came map[string]int) bool) map[string]int {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		j.mu.Lock()
		came, changed := maps.Clone(j.came), j.changed
		j.mu.Unlock()
		if until(came) {
			return came
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("waited in vain; %d messages came", len(came))
		}
	}
}

// listen subscribes, and hands each message, once it is noted, to take in a goroutine of its own; take acknowledges it. stop ends the
// subscription and waits for its end.
func listen(t *testing.T, transport *Transport, topic string, j *journal, take func(*message.Message)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	messages, err := transport.Subscribe(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { // ends with the subscription, joined by stop
		for m := range messages {
			j.note(m.UUID)
			all.Go(func() { take(m) })
		}
	})
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}

func has(ids ...string) func(map[string]int) bool {
	return func(came map[string]int) bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return came[id] == 0 })
	}
}

func ack(m *message.Message) { m.Ack() }

func newTopic() string { return "kafka-" + strings.ToLower(rand.Text()) }

// send publishes messages of these ids, all to one partition.
func send(t *testing.T, transport *Transport, topic string, ids ...string) {
	t.Helper()
	if err := transport.Publish(topic, inOnePartition(t, ids...)...); err != nil {
		t.Fatal(err)
	}
}

// sendApart publishes messages of these ids, to partitions that their ids choose.
func sendApart(t *testing.T, transport *Transport, topic string, ids ...string) {
	t.Helper()
	all := inOnePartition(t, ids...)
	for _, m := range all {
		m.Metadata[metadataKey] = m.UUID
	}
	if err := transport.Publish(topic, all...); err != nil {
		t.Fatal(err)
	}
}

func inOnePartition(t *testing.T, ids ...string) []*message.Message {
	t.Helper()
	var all []*message.Message
	for _, id := range ids {
		m := message.NewMessageWithContext(t.Context(), id, []byte(id))
		m.Metadata[metadataKey] = "key"
		all = append(all, m)
	}
	return all
}

func ids(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%d", prefix, i))
	}
	return all
}

// A load publishes until it is ended.
type load struct {
	end  context.CancelFunc
	all  sync.WaitGroup
	mu   sync.Mutex
	sent []string // ids of what was published with a nil error
	lost int      // what was published with an error
}

func publishing(t *testing.T, transport *Transport, topic string, publishers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{end: cancel}
	for p := range publishers {
		l.all.Go(func() { // ends with the load, joined by stop
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", p, i)
				m := message.NewMessageWithContext(t.Context(), id, []byte(id))
				m.Metadata[metadataKey] = id
				err := transport.Publish(topic, m)
				l.note(id, err)
				_ = sleep(ctx, time.Millisecond) // a pace that leaves others room
			}
		})
	}
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) note(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lost++
		return
	}
	l.sent = append(l.sent, id)
}

// stop ends the load and returns what was published with a nil error.
func (l *load) stop() []string {
	l.end()
	l.all.Wait()
	return l.sent
}

// until waits until it is so of the counts of what was published well and not.
func (l *load) until(t *testing.T, so func(sent, failed int) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		l.mu.Lock()
		sent, failed := len(l.sent), l.lost
		l.mu.Unlock()
		if so(sent, failed) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %d published, %d failed", sent, failed)
		}
		_ = sleep(t.Context(), 5*time.Millisecond)
	}
}

func (l *load) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// more waits for n further messages to be published well.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	before := len(l.sent)
	l.mu.Unlock()
	l.until(t, func(sent, _ int) bool { return sent >= before+n })
}

// repeated counts what came more than once.
func repeated(came map[string]int) (n int) {
	for _, times := range came {
		n += times - 1
	}
	return n
}
