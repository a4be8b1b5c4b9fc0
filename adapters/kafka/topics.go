package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// limitSetting is Kafka's name for the size of the largest batch that a topic takes; kafkaLimit is its default.
const (
	limitSetting = "max.message.bytes"
	kafkaLimit   = 1048588
)

// topics knows which topics are there, and makes those that are not.
type topics struct {
	admin       *kadm.Client
	log         *reporter
	create      bool
	partitions  int32
	replication int16

	mu    sync.Mutex
	known map[string]int32 // the largest batch that it takes, in bytes
	wrong map[string]error // what was asked for and is not there
}

func newTopics(o Options, log *reporter) *topics {
	t := &topics{
		log: log, create: !o.NoCreate, partitions: int32(o.Partitions), replication: int16(o.Replication),
		known: map[string]int32{}, wrong: map[string]error{},
	}
	if t.partitions == 0 {
		t.partitions = 12
	}
	if t.replication == 0 {
		t.replication = -1
	}
	return t
}

func (t *topics) ask(client *kgo.Client) { t.admin = kadm.NewClient(client) }

// need returns nil when the topic is there, and creates it where it may.
func (t *topics) need(ctx context.Context, topic string) error {
	t.mu.Lock()
	_, ok := t.known[topic]
	t.mu.Unlock()
	if ok {
		return nil
	}
	limit, err := t.look(ctx, topic)
	t.mu.Lock()
	delete(t.wrong, topic)
	if err != nil {
		t.wrong[topic] = err
	} else {
		t.known[topic] = limit
	}
	t.mu.Unlock()
	t.log.tell("topic "+topic, err)
	return err
}

// wait is need, again and again until the topic is there or ctx ends.
func (t *topics) wait(ctx context.Context, topic string) error {
	for n := 1; ; n++ {
		asking, cancel := context.WithTimeout(ctx, publishTimeout)
		err := t.need(asking, topic)
		cancel()
		if err == nil {
			return nil
		}
		if err := sleep(ctx, backoff(n)); err != nil {
			return err
		}
	}
}

// forget makes need look again.
func (t *topics) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, topic)
}

// limit is the largest batch that a topic takes; the producer asks for it.
func (t *topics) limit(topic string) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit, ok := t.known[topic]; ok {
		return limit
	}
	return maxBody + room
}

// missing tells what was asked for and is not there.
func (t *topics) missing() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []error
	for _, topic := range slices.Sorted(maps.Keys(t.wrong)) {
		all = append(all, t.wrong[topic])
	}
	return errors.Join(all...)
}

// look finds the topic or makes it, and returns the largest batch that it takes.
func (t *topics) look(ctx context.Context, topic string) (int32, error) {
	_, err := t.find(ctx, topic)
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		if err != nil {
			return 0, fmt.Errorf("look for kafka topic %s: %w", topic, err)
		}
		return t.limitOf(ctx, topic), nil
	}
	if !t.create {
		return 0, fmt.Errorf("kafka topic %s is missing, and is not to be created here; create it, with %s of at least %d: %w",
			topic, limitSetting, maxBody+room, err)
	}
	limit := strconv.Itoa(maxBody + room)
	_, err = t.admin.CreateTopic(ctx, t.partitions, t.replication, map[string]*string{limitSetting: &limit}, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return 0, fmt.Errorf("create kafka topic %s with %d partitions and replication %d: %w", topic, t.partitions, t.replication, err)
	}
	return maxBody + room, t.spread(ctx, topic)
}

// spread waits until a topic that was made is known, and each of its partitions has a leader.
func (t *topics) spread(ctx context.Context, topic string) error {
	for n := 1; ; n++ {
		made, err := t.find(ctx, topic)
		for _, p := range made.Partitions {
			err = errors.Join(err, p.Err)
		}
		if err == nil {
			return nil
		}
		if sleep(ctx, backoff(n)) != nil {
			return fmt.Errorf("wait for kafka topic %s, which was created: %w", topic, err)
		}
	}
}

func (t *topics) find(ctx context.Context, topic string) (kadm.TopicDetail, error) {
	found, err := t.admin.Metadata(ctx, topic)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	detail, ok := found.Topics[topic]
	if !ok {
		return detail, kerr.UnknownTopicOrPartition
	}
	return detail, detail.Err
}

// limitOf asks for the topic's limit. Where that is not allowed, Kafka's own is the safe guess: a batch over it would be refused as a whole.
func (t *topics) limitOf(ctx context.Context, topic string) int32 {
	configs, err := t.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return kafkaLimit
	}
	config, err := configs.On(topic, nil)
	if err != nil {
		return kafkaLimit
	}
	for _, c := range config.Configs {
		if n, err := strconv.ParseInt(c.MaybeValue(), 10, 32); c.Key == limitSetting && err == nil && n >= 512 {
			return int32(min(n, maxBody+room))
		}
	}
	return kafkaLimit
}
