// Package sqs is the transport over Amazon SQS, or a server that speaks it: a Watermill publisher and subscriber in one, to be handed
// to watermillbus.
//
// A topic is a standard queue named like it, with hyphens for dots: "posthorn.tasks" is the queue "posthorn-tasks". All subscribers
// of a topic share its queue, so one message goes to one of them; whoever else is to read a topic needs a queue of its own, to which
// something copies. A message that nobody acknowledged comes again after 30 s, as long as the queue keeps it. Nothing is moved to a
// dead-letter queue unless you give the queue a redrive policy; count generously there, for each Nack counts.
//
// It is written on the AWS SDK, for watermill-aws publishes one message a round trip and waits for each acknowledgement before it
// hands out the next message. Here requests carry up to ten messages: while some are under way, what comes meanwhile gathers for the
// next ones. No message waits for a timer.
//
// Read next: publish.go and subscribe.go; queue.go for what is created; message.go for what a message looks like.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"posthorn/ports"
)

// requestWait bounds each request, retries included, but for those that wait for messages.
const requestWait = 5 * time.Second

// Options say which SQS to use, and what to create there. The zero value works where the environment names a region and
// credentials; [ParseURL] makes options of a URL.
type Options struct {
	// Region is an AWS region. Empty means the one of the environment or the profile.
	Region string
	// Endpoint is the http or https URL of a server that speaks SQS. Empty means AWS's own for the region. Over plain http
	// the role of the machine is not asked for, and where there are no credentials requests are signed with a placeholder.
	Endpoint string
	// NoCreate creates nothing: a missing queue is told by the log, by Health and by Publish.
	NoCreate bool
	// Logger gets a line for each change: what cannot be reached or is missing, that it works again, what was created. Bodies,
	// attributes and credentials are never logged. Nil discards everything.
	Logger *slog.Logger
}

// A Transport implements Watermill's message.Publisher and message.Subscriber over SQS. It may be used from many goroutines at
// once. Make one with [Open].
type Transport struct {
	o      Options
	log    *slog.Logger
	client *sqs.Client
	idle   func() // closes connections without a request

	ctx  context.Context // ends with Close
	end  context.CancelFunc
	last context.Context // of requests that are made for nobody who waits: ends 5 s later
	cut  context.CancelFunc

	mu      sync.Mutex
	closed  bool
	queues  map[string]*queue // by topic
	using   sync.WaitGroup    // publishes, subscriptions and their messages: whatever may put more to do into a gatherer
	working sync.WaitGroup    // requests of gatherers
}

// Open returns a transport for the SQS that o names. It reads the environment and the files of AWS, and asks nothing of the
// network, so it succeeds while SQS is away; queues are found or created when their topic is first published or subscribed to, again and
// again until that works. An error means that o can never work. ctx bounds Open alone.
//
// A queue is created with the largest message size that SQS has (1 MiB), retention of 14 days, and a visibility timeout of 30 s. An
// existing queue is used with the settings that it has. Needed permissions: sqs:GetQueueUrl, SendMessage, ReceiveMessage,
// DeleteMessage, ChangeMessageVisibility, and GetQueueAttributes and CreateQueue unless the queues are there.
//
// SQS takes no request of more than ten messages or 1 MiB. Each costs: a subscription without messages makes one request in 2 s, 1.3 million
// a month.
func Open(ctx context.Context, o Options) (*Transport, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	client, idle, err := dial(ctx, o)
	if err != nil {
		return nil, err
	}
	return newTransport(o, client, idle), nil
}

func newTransport(o Options, client *sqs.Client, idle func()) *Transport {
	t := &Transport{o: o, log: o.Logger, client: client, idle: idle, queues: map[string]*queue{}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.ctx, t.end = context.WithCancel(context.Background())
	t.last, t.cut = context.WithCancel(context.Background())
	return t
}

// Health asks for each queue that was published or subscribed to, and returns nil when all of them are there now; before the first of
// them, when SQS answers. It names all that are missing. Where SQS does not answer it takes 5 s.
func (t *Transport) Health(ctx context.Context) error {
	t.mu.Lock()
	closed, queues := t.closed, make([]*queue, 0, len(t.queues))
	for _, q := range t.queues {
		queues = append(queues, q)
	}
	t.mu.Unlock()
	if closed {
		return fmt.Errorf("ask SQS: the transport is closed: %w", ports.ErrClosed)
	}
	if len(queues) == 0 {
		if _, err := t.lookUp(ctx, "posthorn"); !errors.Is(err, errMissing) {
			return err
		}
		return nil
	}
	var errs []error
	for _, q := range queues {
		_, err := t.lookUp(ctx, q.name)
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Close ends the subscriptions, gives messages that were neither acknowledged nor refused back to their queues, waits until the
// publishes and acknowledgements under way have been answered, 5 s at most, and closes the connections. It is idempotent, and
// returns nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.end()
	defer time.AfterFunc(requestWait, t.cut).Stop()
	t.using.Wait()
	t.working.Wait()
	t.cut()
	t.idle()
	return nil
}

// enter returns the queue of a topic, unless the transport is closed. t.using.Done must follow.
func (t *Transport) enter(topic string) (*queue, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("the transport is closed: %w", ports.ErrClosed)
	}
	q := t.queues[topic]
	if q == nil {
		name, err := queueName(topic)
		if err != nil {
			return nil, err
		}
		q = newQueue(t, name)
		t.queues[topic] = q
	}
	t.using.Add(1)
	return q, nil
}
