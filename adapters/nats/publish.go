package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/ports"
)

// exceedsStream is the server's error code for a message over the stream's own limit; nats.go has no name for it.
const exceedsStream jetstream.ErrorCode = 10054

// Publish hands messages to the stream of a topic, and returns nil when it has stored all of them; after an error it may have stored
// some. It sends all of them before it waits for the first answer, and many calls may be under way at once. It takes 5 s at most, fails
// at once while the broker is away, and gives up when the context of its first message ends. It does not keep the messages.
//
// The stored messages are written to the server's files, which it syncs every two minutes; what is younger survives the death of the
// server, and not that of its machine, unless the server is set to sync always.
//
// Errors wrap [ports.ErrTooLarge] for a message over the server's or the stream's limit, and [ports.ErrClosed] after Close.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := checkTopic(topic); err != nil {
		return err
	}
	alive, _ := t.link.state()
	ctx, cancel := during(messages[0].Context(), alive)
	defer cancel()
	if err := t.publish(ctx, topic, messages); err != nil {
		if away := t.reachable(); away != nil && errors.Is(err, context.Canceled) {
			err = away
		}
		return fmt.Errorf("publish %d messages to %s over NATS: %w", len(messages), topic, err)
	}
	return nil
}

// publish sends until a stream has taken all messages. Nobody answers for a stream that has just been deleted, or has no leader: it is
// looked for again, and what was stored the first time is a duplicate the second time, which the stream drops.
func (t *Transport) publish(ctx context.Context, topic string, messages []*message.Message) error {
	for failures := 1; ; failures++ {
		if err := t.reachable(); err != nil {
			return err
		}
		if err := t.prepare(ctx, topic); err != nil {
			return err
		}
		err := t.send(ctx, topic, messages)
		if !errors.Is(err, jetstream.ErrNoStreamResponse) || ctx.Err() != nil {
			return err
		}
		t.ready.Delete(topic)
		pause(ctx, backoff(failures))
	}
}

// send sends all messages, and waits for the answers.
func (t *Transport) send(ctx context.Context, topic string, messages []*message.Message) error {
	sent := make([]jetstream.PubAckFuture, 0, len(messages))
	for _, m := range messages {
		out, err := toNATS(topic, m)
		if err != nil {
			return err
		}
		future, err := t.js.PublishMsgAsync(out, jetstream.WithStallWait(requestWait), jetstream.WithRetryAttempts(0))
		if err != nil {
			return t.refused(m, err)
		}
		sent = append(sent, future)
	}
	for i, future := range sent {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return t.refused(messages[i], err)
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w", t.servers(), ctx.Err())
		case <-t.ctx.Done():
			return t.reachable()
		}
	}
	return nil
}

// prepare sees to it that the topic has a stream, once for each connection.
func (t *Transport) prepare(ctx context.Context, topic string) error {
	if _, ok := t.ready.Load(topic); ok {
		return nil
	}
	_, err := t.stream(ctx, topic)
	t.tell(&t.publishing, "publish to", topic, err)
	if err == nil {
		t.ready.Store(topic, nil)
	}
	return err
}

// refused says why a message was not taken.
func (t *Transport) refused(m *message.Message, err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, natsio.ErrMaxPayload):
		return fmt.Errorf("message %s of %d bytes and its headers refused: the server takes %d bytes; raise max_payload in its configuration: %w",
			m.UUID, len(m.Payload), t.conn.MaxPayload(), ports.ErrTooLarge)
	case errors.As(err, &api) && api.ErrorCode == exceedsStream:
		return fmt.Errorf("message %s of %d bytes refused: the stream takes less (%w); raise its maximum message size: %w",
			m.UUID, len(m.Payload), err, ports.ErrTooLarge)
	case !t.link.isUp():
		return t.reachable()
	}
	return fmt.Errorf("message %s: %w", m.UUID, err)
}
