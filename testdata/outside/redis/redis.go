// Package redis carries Posthorn's topics over Redis Streams (6.2 or later): what it takes to add a transport. The publisher is
// Watermill's. Its subscriber hands out one message at a time, never deletes, and wants Redis at its start; so here is another.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"posthorn/adapters/watermillbus"
)

const (
	group    = "posthorn"             // one envelope goes to one process
	underWay = 64                     // messages of a topic handed out and not yet acknowledged
	orphaned = 30 * time.Second       // when a message that a dead process did not acknowledge goes to another
	moment   = 200 * time.Millisecond // how long a read waits for news, and how long after a failure the next begins
)

// Open returns a Bus over the Redis of o, in which name is this process's own. It does not wait for Redis.
func Open(o *redis.Options, name string, logger *slog.Logger) (*watermillbus.Bus, error) {
	client := redis.NewClient(o)
	pub, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, nil)
	if err != nil {
		return nil, err
	}
	t := transport{pub, client, name}
	ping := func(ctx context.Context) error { return client.Ping(ctx).Err() }
	return watermillbus.New(t, t, watermillbus.Options{Logger: logger, Health: ping}), nil
}

type transport struct {
	*redisstream.Publisher // its Close closes the client
	client                 *redis.Client
	name                   string
}

// Subscribe succeeds while Redis is away; the subscription ends with ctx only, and with it all that it started.
func (t transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	out, slots := make(chan *message.Message), make(chan struct{}, underWay)
	go func() {
		var handed sync.WaitGroup
		for ctx.Err() == nil {
			for _, entry := range t.read(ctx, topic) {
				slots <- struct{}{}
				handed.Go(func() { t.hand(ctx, topic, entry, out); <-slots })
			}
		}
		handed.Wait()
		close(out)
	}()
	return out, nil
}

// read returns what is new and what others left. A Redis that is new, or has lost its memory, has no group yet.
func (t transport) read(ctx context.Context, topic string) []redis.XMessage {
	all, _, _ := t.client.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: topic, Group: group, Consumer: t.name, MinIdle: orphaned, Start: "0", Count: underWay}).Result()
	fresh, err := t.client.XReadGroup(ctx, &redis.XReadGroupArgs{Streams: []string{topic, ">"}, Group: group, Consumer: t.name, Count: underWay, Block: moment}).Result()
	for _, stream := range fresh {
		all = append(all, stream.Messages...)
	}
	if err != nil && !errors.Is(err, redis.Nil) && t.client.XGroupCreateMkStream(ctx, topic, group, "0").Err() != nil {
		select {
		case <-time.After(moment):
		case <-ctx.Done():
		}
	}
	return all
}

// hand gives an entry to the handler until that acknowledges it, and deletes it then.
func (t transport) hand(ctx context.Context, topic string, entry redis.XMessage, out chan<- *message.Message) {
	for ctx.Err() == nil {
		m, err := redisstream.DefaultMarshallerUnmarshaller{}.Unmarshal(entry.Values)
		if err != nil { // not from Watermill: Posthorn puts aside what it cannot read
			m = message.NewMessage(entry.ID, nil)
		}
		select {
		case out <- m:
		case <-ctx.Done():
			return
		}
		select {
		case <-m.Acked():
		case <-m.Nacked():
		case <-ctx.Done():
		}
		if !m.Nack() { // it was acknowledged, though ctx may have ended since
			t.client.XDel(context.WithoutCancel(ctx), topic, entry.ID)
			t.client.XAck(context.WithoutCancel(ctx), topic, group, entry.ID) // if Redis does not hear it, the entry comes again
			return
		}
	}
}
