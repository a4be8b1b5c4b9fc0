// Package nats is the transport over NATS JetStream: a Watermill publisher and subscriber in one, to be handed to watermillbus.
//
// A topic is a subject of the same name. Each has a stream of its own, in files, and one durable pull consumer that all subscribers of
// the topic share, so that one message goes to one of them. Both are named like the topic, with hyphens for what the names of streams
// must not have ("posthorn.tasks" has the stream "posthorn-tasks"). A stream that takes the subject already is used as it is,
// whatever its name and settings. What a stream is made with, see [Open].
//
// It is written on nats.go. In watermill-nats a call publishes one message a round trip, a subscription waits for each acknowledgement
// before it hands out the next message, and neither begins while the broker is away.
//
// Read next: publish.go and subscribe.go; stream.go for what is created; link.go for what happens while the broker is away.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/ports"
)

const (
	requestWait = 5 * time.Second // for any answer of the broker: a Publish or a request that takes longer has failed
	most        = 1024            // messages published and not yet confirmed, over all calls; further calls wait
)

// Options say which broker to use, as whom, and what to create there. Servers is all that is needed; [ParseURL] makes options of a URL.
type Options struct {
	// Servers are URLs "nats://host:4222", or "tls://host:4222" where the connection must be encrypted, of one or more servers of
	// one cluster. They hold no user and no password.
	Servers []string

	User, Password string // both or none
	Credentials    string // path of a credentials file (a user's JWT and seed), as `nsc` writes it

	CA               string // path of a PEM file: who may have signed the server's certificate; empty means the system's list
	Certificate, Key string // paths of PEM files: what to show to a server that asks for a certificate; both or none

	Replicas int  // of each stream that is created, 1 to 5; 0 means 1
	NoCreate bool // create nothing: what is missing is told by the log, by Health and by Publish

	// Logger gets a line for each change: connected, not connected, what is missing, what was created. Bodies, headers and passwords
	// are never logged. Nil discards everything.
	Logger *slog.Logger
}

// A Transport implements Watermill's message.Publisher and message.Subscriber over one connection. It may be used from many
// goroutines at once. Make one with [Open].
type Transport struct {
	o    Options
	log  *slog.Logger
	link *link
	conn *natsio.Conn        // nil before the link is up for the first time
	js   jetstream.JetStream // as conn

	ready       sync.Map // of topic to nothing: whose stream was seen over this connection
	publishing  troubles
	subscribing troubles

	ctx       context.Context // ends with Close
	end       context.CancelFunc
	mu        sync.Mutex // held to begin a subscription, and to close
	receiving sync.WaitGroup
}

// Open returns a transport for the broker that o names. It tries to connect once, for 2 s a server at most, and succeeds even if the
// broker is away: the transport goes on trying in the background, after 50 ms first and every 2 s later, until Close. An error means
// that o can never work. The transport outlives ctx.
//
// Streams are created when a topic is first published or subscribed to. Those of topics that end in ".events" or ".rejected" are for
// any number of readers, each with a consumer of its own: they keep what was read, up to 7 days and 1 GiB of events, 30 days and
// 64 MiB of rejected messages, and then lose the oldest. All others are work queues: they keep a message until it is acknowledged,
// without limits but the server's, and refuse further consumers. All of them drop a message that has the Nats-Msg-Id of another of
// the last 30 s. Consumers take a message back that is not acknowledged within 30 s. To have other settings, make the stream or
// the consumer before, or edit it.
func Open(ctx context.Context, o Options) (*Transport, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	t := &Transport{o: o, log: o.Logger, link: newLink()}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.ctx, t.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := t.connect(); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// validate refuses what can never work.
func (o Options) validate() error {
	switch {
	case len(o.Servers) == 0:
		return errors.New("no NATS server is named; name one as nats://host:4222")
	case (o.User == "") != (o.Password == ""):
		return errors.New("half of user and password for NATS is missing; give both or none")
	case (o.Certificate == "") != (o.Key == ""):
		return errors.New("half of the certificate and its key for NATS is missing; give the files of both, or none")
	case o.Replicas < 0 || o.Replicas > 5:
		return fmt.Errorf("%d replicas of a NATS stream refused: JetStream has 1 to 5; choose 1 or 3", o.Replicas)
	}
	return nil
}

// Health returns nil when the broker answers now, and nothing that was published or subscribed to is missing there.
func (t *Transport) Health(ctx context.Context) error {
	if err := t.reachable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	if err := t.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("the NATS server at %s does not answer: %w", t.servers(), err)
	}
	for _, topic := range t.publishing.topics() {
		if err := t.prepare(ctx, topic); err != nil { // it may be there by now
			return fmt.Errorf("publish to %s: %w", topic, err)
		}
	}
	for _, topic := range t.subscribing.topics() {
		if err := t.subscribing.of(topic); err != nil {
			return fmt.Errorf("subscribe to %s: %w", topic, err)
		}
	}
	return nil
}

// reachable returns nil while there is a connection.
func (t *Transport) reachable() error {
	if t.ctx.Err() != nil {
		return fmt.Errorf("the connection to NATS is closed: %w", ports.ErrClosed)
	}
	if t.link.isUp() {
		return nil
	}
	return fmt.Errorf("NATS cannot be reached at %s: %w; it is tried again all the time, check that it runs there", t.servers(), t.link.reason())
}

func (t *Transport) servers() string { return strings.Join(t.o.Servers, ", ") }

// Close ends all subscriptions, gives back what they had received and not acknowledged, and closes the connection. It is idempotent,
// and waits for the acknowledgements that were given before to be sent, 5 s at most.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
	t.receiving.Wait()
	if t.link.isUp() {
		_ = t.conn.FlushTimeout(requestWait) // what is not flushed comes again
	}
	if t.conn != nil {
		t.conn.Close()
	}
	return nil
}
