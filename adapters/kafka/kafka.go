// Package kafka is the transport over Apache Kafka: a Watermill publisher and subscriber on franz-go. Hand what [Open] returns to
// watermillbus as publisher and subscriber at once.
//
// The consumer group of a topic has the topic's name, so of all processes that subscribe to it one gets a message. Messages of one
// partition are handed out side by side; the offset that is committed is that of the first one not acknowledged yet, right after
// each acknowledgement that moves it. So a process that dies has its unacknowledged messages come again elsewhere, together with those
// of the same partition that were acknowledged behind one that was not. A process that lives on gets nothing twice that it has
// acknowledged, though the broker died before it was committed.
//
// Read next: subscribe.go, and offsets.go for what may be committed.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn/ports"
)

// Options of a Transport. Brokers are required, the zero value of all else works. [ParseURL] makes them of a URL.
type Options struct {
	// Brokers are those asked first, "host:port"; they name the others.
	Brokers []string
	// Partitions of a topic that is created; 0 means 12. No more processes than that can share its messages.
	Partitions int
	// Replication is the number of replicas of a topic that is created; 0 and -1 mean the broker's default.
	Replication int
	// NoCreate says that topics are only looked for. What is missing is logged, and told by Health and Publish.
	NoCreate bool
	// TLS encrypts the connections; nil means plain text.
	TLS *tls.Config
	// SASL is the mechanism to log in with: "plain", "scram-sha-256", "scram-sha-512", or empty for none.
	SASL string
	// Username and Password are for SASL. They are never logged.
	Username, Password string
	// Logger gets what goes wrong and when it goes well again, once each. Nil discards it.
	Logger *slog.Logger
}

// A Transport publishes to Kafka and subscribes to it. Its methods may be called from many goroutines at once.
type Transport struct {
	options  Options
	log      *reporter
	producer *kgo.Client
	topics   *topics

	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup // Publish calls and subscriptions; none begins once closed is set
	ctx    context.Context
	cancel context.CancelFunc
}

var (
	_ message.Publisher  = (*Transport)(nil)
	_ message.Subscriber = (*Transport)(nil)
)

// Open returns a transport, whether or not a broker can be reached: it connects when something is published or subscribed to, and again
// for as long as it takes. Its error is that of options that cannot be used. The values of ctx are kept, its end has no effect;
// Close ends the transport.
func Open(ctx context.Context, o Options) (*Transport, error) {
	t := &Transport{options: o, log: newReporter(o.Logger)}
	common, err := clientOptions(o, t.log)
	if err != nil {
		return nil, err
	}
	t.topics = newTopics(o, t.log)
	t.producer, err = kgo.NewClient(append(common, producing(t.topics.limit)...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options refused: %w", err)
	}
	t.topics.ask(t.producer)
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return t, nil
}

// Health returns nil when a broker can be reached and all topics that were asked for are there.
func (t *Transport) Health(ctx context.Context) error {
	if err := t.enter(); err != nil {
		return fmt.Errorf("reach kafka: %w", err)
	}
	defer t.inside.Done()
	if err := t.producer.Ping(ctx); err != nil {
		return fmt.Errorf("reach kafka at %v: %w", t.options.Brokers, err)
	}
	return t.topics.missing()
}

// Close ends the subscriptions, commits what they have acknowledged, and leaves their groups, for which a broker has 3 s; it waits for
// Publish calls under way, and closes the connections. It is idempotent.
func (t *Transport) Close() error {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.inside.Wait()
	if first {
		t.producer.Close()
	}
	return nil
}

var errClosed = fmt.Errorf("the transport was closed: %w", ports.ErrClosed)

// enter keeps Close from returning until inside.Done is called, unless it has begun already.
func (t *Transport) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed
	}
	t.inside.Add(1)
	return nil
}

// ended says why ctx ended, when that was the transport's Close.
func (t *Transport) ended(err error) error {
	if t.ctx.Err() != nil {
		return errors.Join(errClosed, err)
	}
	return err
}
