package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn/ports"
)

// Publish implements [message.Publisher]. It returns nil when all replicas in sync have all messages, and an error 5 s later at the most,
// or when the context of the first message ends; then some may have been taken, or be taken yet. It keeps no payload after it has
// returned. A body over 1 MiB, or a message over the topic's own limit, is refused with ports.ErrTooLarge.
//
// Messages that are published at the same time travel together, so it is fastest when many goroutines publish, or many at once.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	topic = topicName(topic)
	if err := t.publish(topic, messages); err != nil {
		return fmt.Errorf("publish %d messages to kafka topic %s: %w", len(messages), topic, err)
	}
	return nil
}

func (t *Transport) publish(topic string, messages []*message.Message) error {
	if err := t.enter(); err != nil {
		return err
	}
	defer t.inside.Done()
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		var err error
		if records[i], err = toRecord(topic, m); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(messages[0].Context(), publishTimeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	if err := t.topics.need(ctx, topic); err != nil {
		return t.ended(err)
	}
	return t.refused(topic, t.produce(ctx, records))
}

// produce returns when every record has been confirmed or given up.
func (t *Transport) produce(ctx context.Context, records []*kgo.Record) error {
	var (
		all   sync.WaitGroup
		once  sync.Once
		first error
	)
	all.Add(len(records))
	for _, r := range records {
		t.producer.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { first = err })
			}
			all.Done()
		})
	}
	all.Wait()
	return first
}

// refused puts Kafka's answer into our words.
func (t *Transport) refused(topic string, err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		limit := t.topics.limit(topic)
		t.topics.forget(topic) // somebody may have changed it
		return fmt.Errorf("a message refused: the topic takes at most %d bytes in one; raise its %s to %d, and restart: %w: %w",
			limit, limitSetting, maxBody+room, ports.ErrTooLarge, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		t.topics.forget(topic) // somebody has deleted it
		return err
	case err != nil:
		return t.ended(err)
	}
	return nil
}
