package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn/ports"
)

// Names on the wire. They are never changed.
const (
	headerID = "posthorn-id"
	// metadataKey is where watermillbus puts an envelope's key. On the wire it is the record's key, which chooses the partition.
	metadataKey = "posthorn-key"
)

// maxBody is the largest body of an envelope, and room what key, headers and Kafka's own framing may take beside it.
const (
	maxBody = 1 << 20
	room    = 64 << 10
)

// toRecord shares the payload with m.
func toRecord(topic string, m *message.Message) (*kgo.Record, error) {
	if len(m.Payload) > maxBody {
		return nil, fmt.Errorf("envelope %s refused: its body has %d bytes, and %d is the limit; make it smaller: %w",
			m.UUID, len(m.Payload), maxBody, ports.ErrTooLarge)
	}
	r := &kgo.Record{Topic: topic, Value: m.Payload, Headers: make([]kgo.RecordHeader, 1, len(m.Metadata)+1)}
	r.Headers[0] = kgo.RecordHeader{Key: headerID, Value: []byte(m.UUID)}
	for name, value := range m.Metadata {
		if name == metadataKey {
			r.Key = []byte(value)
			continue
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return r, nil
}

// toMessage makes a message of what comes, from us or from others; those do not send our id, and may write names as they like. The
// payload is shared with r, which is delivered again after a nack.
func toMessage(ctx context.Context, r *kgo.Record) *message.Message {
	m := message.NewMessageWithContext(ctx, "", r.Value)
	for _, h := range r.Headers {
		if h.Key == headerID {
			m.UUID = string(h.Value)
		}
	}
	name := func(s string) string { return s }
	if m.UUID == "" {
		m.UUID = fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
		name = strings.ToLower
	}
	for _, h := range r.Headers {
		if h.Key != headerID {
			m.Metadata[name(h.Key)] = string(h.Value)
		}
	}
	if len(r.Key) > 0 {
		m.Metadata[metadataKey] = string(r.Key)
	}
	return m
}

// topicName maps what Kafka does not allow in a name to a hyphen.
func topicName(topic string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			return c
		}
		return '-'
	}, topic)
}
