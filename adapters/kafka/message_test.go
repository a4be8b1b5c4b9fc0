package kafka

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn/ports"
)

// TestLargest: a body of 1 MiB goes through a topic that was made here, with long headers; a byte more is refused.
func TestLargest(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		transport, topic, j := open(t, o), newTopic(), newJournal()
		listen(t, transport, topic, j, func(m *message.Message) {
			j.note(fmt.Sprint(len(m.Payload)))
			m.Ack()
		})
		m := message.NewMessage("largest", make([]byte, maxBody))
		m.Metadata["header"] = strings.Repeat("x", 32<<10)
		if err := transport.Publish(topic, m); err != nil {
			t.Fatal(err)
		}
		j.wait(t, has("largest", fmt.Sprint(maxBody)))
		if err := transport.Publish(topic, message.NewMessage("over", make([]byte, maxBody+1))); !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("publish of a byte more: %v, want ErrTooLarge", err)
		}
	})
}

// TestForeignTopicIsSmaller: a topic that somebody made with Kafka's own limit takes what fits, together with others at the same time, and
// what does not fit is refused with the setting's name.
func TestForeignTopicIsSmaller(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		transport, topic, j := open(t, o), newTopic(), newJournal()
		if _, err := kadm.NewClient(transport.producer).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for _, id := range ids("m", 16) {
			all.Go(func() {
				if err := transport.Publish(topic, message.NewMessage(id, make([]byte, 250<<10))); err != nil {
					t.Errorf("publish: %v", err)
				}
			})
		}
		all.Wait()
		err := transport.Publish(topic, message.NewMessage("over", make([]byte, maxBody)))
		if !errors.Is(err, ports.ErrTooLarge) || !strings.Contains(err.Error(), limitSetting) || !strings.Contains(err.Error(), fmt.Sprint(kafkaLimit)) {
			t.Errorf("publish over the topic's limit: %v, want ErrTooLarge with the setting", err)
		}
		listen(t, transport, topic, j, ack)
		j.wait(t, has(ids("m", 16)...))
	})
}

// TestForeignMessages: what others publish has an id that stays the same, and its headers in lower case.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		transport, topic, j := open(t, o), newTopic(), newJournal()
		if err := transport.topics.need(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{
			Topic: topic, Key: []byte("slot"), Value: []byte("body"),
			Headers: []kgo.RecordHeader{{Key: "Ce-Type", Value: []byte("thing.made")}},
		}
		if err := transport.producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var came []*message.Message
		listen(t, transport, topic, j, func(m *message.Message) {
			mu.Lock()
			defer mu.Unlock()
			if came = append(came, m); len(came) == 1 {
				m.Nack()
			} else {
				m.Ack()
			}
		})
		id := fmt.Sprintf("%s/%d/0", topic, r.Partition)
		j.wait(t, func(came map[string]int) bool { return came[id] == 2 })
		mu.Lock()
		defer mu.Unlock()
		want := message.Metadata{"ce-type": "thing.made", metadataKey: "slot"}
		if diff := cmp.Diff(want, came[0].Metadata); diff != "" || string(came[0].Payload) != "body" {
			t.Errorf("body %q, metadata: %s", came[0].Payload, diff)
		}
	})
}

// TestOurs: what we publish keeps its id and metadata, whatever their case, and its key is the record's.
func TestOurs(t *testing.T) {
	t.Parallel()
	m := message.NewMessage("id", []byte("body"))
	m.Metadata = message.Metadata{"Upper": "1", "lower": "2", metadataKey: "slot"}
	r, err := toRecord("topic", m)
	if err != nil || string(r.Key) != "slot" || len(r.Headers) != 3 {
		t.Fatalf("record %+v, %v", r, err)
	}
	got := toMessage(t.Context(), r)
	if diff := cmp.Diff(m.Metadata, got.Metadata); diff != "" || got.UUID != "id" || string(got.Payload) != "body" {
		t.Errorf("id %q, body %q, metadata: %s", got.UUID, got.Payload, diff)
	}
}

func TestTopicName(t *testing.T) {
	t.Parallel()
	if got := topicName("posthorn.ph_1-a.Käse/€:x"); got != "posthorn.ph_1-a.K-se---x" {
		t.Errorf("name %q", got)
	}
}

// TestLogin: encrypted and logged in by each mechanism; with a wrong password nothing works, and the password is told to nobody.
func TestLogin(t *testing.T) {
	t.Parallel()
	cert, key := pair(t)
	server, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			there := fake(t, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "ada", "p4ssw0rd"),
				kfake.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}}))
			o, err := parse("kafka://"+strings.Join(there.Brokers, ",")+"?ca="+cert+"&sasl="+mechanism, environment)
			if err != nil {
				t.Fatal(err)
			}
			transport, topic, j := open(t, o), newTopic(), newJournal()
			listen(t, transport, topic, j, ack)
			send(t, transport, topic, "m")
			j.wait(t, has("m"))

			var log bytes.Buffer
			o.Password = "wr0ng-one"
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			wrong := open(t, o)
			err = wrong.Publish(topic, message.NewMessage("m", nil))
			health := wrong.Health(t.Context())
			_ = wrong.Close()
			told := fmt.Sprint(err, health, log.String())
			if err == nil || health == nil || strings.Contains(told, o.Password) {
				t.Errorf("publish and health with a wrong password, and the log: %s", told)
			}
		})
	}
}
