package watermillbus

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"posthorn/ports"
)

// KeyMetadata is the metadata name under which an envelope's Key travels, for transports that choose a partition by it. An empty
// key is not sent (SQS refuses empty attributes). The name is part of what goes over the wire: it is never changed.
const KeyMetadata = "posthorn-key"

// content is the context key of an envelope's Content.
type content struct{}

// correlation is the context key of the correlation id of the envelope being handled.
type correlation struct{}

// toMessage copies the body, because a transport may keep the message after Publish has returned, and the envelope not. A
// handler that publishes with its own ctx passes the correlation id on; Watermill's own middleware does that only for messages
// that a handler returns, and ours return none.
func toMessage(ctx context.Context, e ports.Envelope) (*message.Message, error) {
	ctx = context.WithValue(ctx, content{}, e.Content) // nil hides that of an earlier message
	m := message.NewMessageWithContext(ctx, e.ID, bytes.Clone(e.Body))

	for name, value := range e.Meta {
		if name == KeyMetadata || name == middleware.CorrelationIDMetadataKey {
			return nil, fmt.Errorf("envelope %s refused: its metadata has the reserved name %q; use another name", e.ID, name)
		}

		m.Metadata[name] = value
	}

	if e.Key != "" {
		m.Metadata[KeyMetadata] = e.Key
	}

	if id, ok := ctx.Value(correlation{}).(string); ok {
		middleware.SetCorrelationID(id, m)
	}

	return m, nil
}

// toEnvelope leaves m as it is: after a nack some transports (Kafka) copy this very message for the next delivery. So the body,
// and metadata that hold none of our names, are shared with that delivery; a handler keeps them, and changes them never.
func toEnvelope(m *message.Message) ports.Envelope {
	e := ports.Envelope{ID: m.UUID, Key: m.Metadata[KeyMetadata], Meta: m.Metadata, Body: m.Payload, Content: m.Context().Value(content{})}

	if e.Key != "" || middleware.MessageCorrelationID(m) != "" {
		e.Meta = maps.Clone(e.Meta)
		delete(e.Meta, KeyMetadata)
		delete(e.Meta, middleware.CorrelationIDMetadataKey)
	}

	return e
}

// correlationID is the id that m carries, or m's own where it is the first of its chain.
func correlationID(m *message.Message) string {
	if id := middleware.MessageCorrelationID(m); id != "" {
		return id
	}

	return m.UUID
}
