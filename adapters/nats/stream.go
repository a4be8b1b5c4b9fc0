package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	duplicates = 30 * time.Second // window of Nats-Msg-Id: several times requestWait; the server keeps each id so long in memory

	eventsAge     = 7 * 24 * time.Hour
	eventsBytes   = 1 << 30
	rejectedAge   = 30 * 24 * time.Hour
	rejectedBytes = 64 << 20

	ackWait       = 30 * time.Second // the broker gives a message to another when it hears nothing for so long
	maxAckPending = 4096             // messages handed out by a consumer, to all processes together: 12 full ones
)

// nameOf returns the name of the stream and consumer of a topic; such names must not have dots, white space or slashes.
func nameOf(topic string) string {
	return strings.NewReplacer(".", "-", "/", "-", `\`, "-").Replace(topic)
}

// checkTopic refuses what is no subject that one message can have.
func checkTopic(topic string) error {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '*' || r == '>' }
	if topic == "" || strings.HasPrefix(topic, "$") || strings.ContainsFunc(topic, bad) || strings.Contains("."+topic+".", "..") {
		return fmt.Errorf("topic %q refused: NATS has no such subject; use words of letters, digits, - and _ with dots between them", topic)
	}
	return nil
}

// streamConfig says with what the stream of a topic is made.
func streamConfig(topic string, replicas int) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:        nameOf(topic),
		Description: "Posthorn: topic " + topic,
		Subjects:    []string{topic},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.WorkQueuePolicy,
		Replicas:    max(replicas, 1),
		Duplicates:  duplicates,
	}
	switch {
	case strings.HasSuffix(topic, ".events"):
		c.Retention, c.MaxAge, c.MaxBytes = jetstream.LimitsPolicy, eventsAge, eventsBytes
	case strings.HasSuffix(topic, ".rejected"):
		c.Retention, c.MaxAge, c.MaxBytes = jetstream.LimitsPolicy, rejectedAge, rejectedBytes
	}
	return c
}

// consumerConfig says with what the consumer of a topic is made.
func consumerConfig(topic string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       nameOf(topic),
		Description:   "Posthorn: handlers of topic " + topic,
		FilterSubject: topic,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxAckPending: maxAckPending,
	}
}

// stream returns the name of the stream that takes a topic, and makes it where it is missing. The link must be up.
func (t *Transport) stream(ctx context.Context, topic string) (string, error) {
	name, err := t.js.StreamNameBySubject(ctx, topic)
	if err == nil || !errors.Is(err, jetstream.ErrStreamNotFound) {
		return name, explain(err)
	}
	if t.o.NoCreate {
		return "", fmt.Errorf("no stream of NATS takes the subject %s, and none is to be created; create one "+
			"(nats stream add %s --subjects %s), or leave out create=false", topic, nameOf(topic), topic)
	}
	_, err = t.js.CreateStream(ctx, streamConfig(topic, t.o.Replicas))
	switch {
	case err == nil:
		t.log.Info("nats: created a stream", "stream", nameOf(topic), "topic", topic)
		return nameOf(topic), nil
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // another has been quicker, or has it for other subjects
		if name, err := t.js.StreamNameBySubject(ctx, topic); err == nil {
			return name, nil
		}
		return "", fmt.Errorf("stream %s for topic %s cannot be created: %w, for other subjects; "+
			"add the subject to that stream, or choose another prefix", nameOf(topic), topic, err)
	default:
		return "", fmt.Errorf("create stream %s for topic %s: %w", nameOf(topic), topic, explain(err))
	}
}

// consumer returns the consumer of a topic, and makes it and its stream where they are missing. The link must be up.
func (t *Transport) consumer(ctx context.Context, topic string) (jetstream.Consumer, error) {
	stream, err := t.stream(ctx, topic)
	if err != nil {
		return nil, err
	}
	consumer, err := t.js.Consumer(ctx, stream, nameOf(topic))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if t.o.NoCreate {
			return nil, fmt.Errorf("stream %s of NATS has no consumer %s, and none is to be created; create one "+
				"(nats consumer add %s %s --pull --filter %s --ack explicit), or leave out create=false",
				stream, nameOf(topic), stream, nameOf(topic), topic)
		}
		consumer, err = t.js.CreateOrUpdateConsumer(ctx, stream, consumerConfig(topic))
	}
	if err != nil {
		return nil, fmt.Errorf("get consumer %s of stream %s: %w", nameOf(topic), stream, explain(err))
	}
	if policy := consumer.CachedInfo().Config.AckPolicy; policy != jetstream.AckExplicitPolicy {
		return nil, fmt.Errorf("consumer %s of stream %s refused: its ack policy is %v, which would lose messages; make it anew with explicit",
			nameOf(topic), stream, policy)
	}
	return consumer, nil
}

// explain adds to an error of JetStream what to do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return fmt.Errorf("%w; start nats-server with -js and a -sd directory", err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w; enable it for the account of this user", err)
	}
	return err
}
