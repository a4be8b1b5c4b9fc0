package sqs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"posthorn/ports"
)

const (
	mostBytes = 1 << 20 // of a message with its attributes, and of the messages of one request (AWS since August 2025; before, 256 KiB)
	retention = 14 * 24 * time.Hour

	// A queue that was there, or may have been while SQS could not be reached, is made again only after this: for a moment after
	// its start a server may not know its queues (ElasticMQ dies of finding one made meanwhile), and AWS answers from copies.
	settle = 2 * time.Second
)

// errMissing says that a queue does not exist.
var errMissing = errors.New("the queue does not exist")

// queueNames are the names that SQS allows for standard queues.
var queueNames = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// queueName is the name of a topic's queue.
func queueName(topic string) (string, error) {
	name := strings.ReplaceAll(topic, ".", "-")
	if !queueNames.MatchString(name) {
		return "", fmt.Errorf("topic %q refused: SQS names queues by up to 80 letters, digits, hyphens and underscores; choose another prefix", topic)
	}
	return name, nil
}

// A queue is one topic at SQS.
type queue struct {
	t    *Transport
	name string

	found    atomic.Pointer[located] // nil until it was found, and again when it was missing
	locating chan struct{}           // holds a token while one goroutine looks for it

	mu      sync.Mutex
	settled time.Time // before this a missing queue is not made
	trouble error     // what was logged last; nil while all is well

	sending    gatherer[*outgoing]
	deleting   gatherer[*delivery]
	postponing gatherer[postponement]
}

// located is where a queue is and what it takes.
type located struct {
	url   *string
	limit int // bytes of a message with its attributes
}

func newQueue(t *Transport, name string) *queue {
	q := &queue{t: t, name: name, locating: make(chan struct{}, 1)}
	q.sending = gatherer[*outgoing]{size: func(m *outgoing) int { return m.size }, flush: q.send, join: &t.working}
	q.deleting = gatherer[*delivery]{flush: q.deleteAll, join: &t.working}
	q.postponing = gatherer[postponement]{flush: q.postponeAll, join: &t.working}
	return q
}

// locate finds the queue, or makes it, and logs when that is news.
func (q *queue) locate(ctx context.Context) (*located, error) {
	if at := q.found.Load(); at != nil {
		return at, nil
	}
	select {
	case q.locating <- struct{}{}:
		defer func() { <-q.locating }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if at := q.found.Load(); at != nil {
		return at, nil
	}
	at, err := q.findOrMake(ctx)
	if err == nil {
		q.found.Store(at)
	}
	q.report(err)
	return at, err
}

func (q *queue) findOrMake(ctx context.Context) (*located, error) {
	url, err := q.t.lookUp(ctx, q.name)
	switch {
	case err == nil:
		return &located{url, q.t.limit(ctx, url)}, nil
	case !errors.Is(err, errMissing):
		q.wait(ctx)
		return nil, err
	case q.t.o.NoCreate:
		return nil, err
	case !q.isSettled():
		return nil, fmt.Errorf("%w now; it is made if it does not come back within %s", err, settle)
	}
	if err := q.t.create(ctx, q.name); err != nil {
		return nil, err
	}
	if url, err = q.t.lookUp(ctx, q.name); err != nil {
		return nil, err
	}
	return &located{url, q.t.limit(ctx, url)}, nil
}

// lost notes what a request to the queue came to, where that means that it must be found again.
func (q *queue) lost(err error) {
	if _, missing := errors.AsType[*types.QueueDoesNotExist](err); missing {
		q.found.Store(nil)
		q.wait(context.Background())
	}
}

// wait keeps a missing queue from being made at once. Nothing is learnt from a request that was given up.
func (q *queue) wait(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settled = time.Now().Add(settle)
}

func (q *queue) isSettled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Now().After(q.settled)
}

// report logs what befell the queue, once for each change. Requests that were given up say nothing.
func (q *queue) report(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	q.mu.Lock()
	before := q.trouble
	q.trouble = err
	q.mu.Unlock()
	switch {
	case err == nil && before != nil:
		q.t.log.Info("sqs: the queue works again", "queue", q.name)
	case err == nil || before != nil && errors.Is(err, errMissing) == errors.Is(before, errMissing):
	default:
		q.t.log.Warn("sqs: the queue does not work; it is tried again all the time", "queue", q.name, "error", err)
	}
}

// lookUp asks SQS where a queue is.
func (t *Transport) lookUp(ctx context.Context, name string) (url *string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	out, err := t.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	_, missing := errors.AsType[*types.QueueDoesNotExist](err)
	switch {
	case missing && t.o.NoCreate:
		return nil, fmt.Errorf("find queue %s: %w; make it, or allow that it is made (create=true)", name, errMissing)
	case missing:
		return nil, fmt.Errorf("find queue %s: %w", name, errMissing)
	case err != nil:
		return nil, fmt.Errorf("find queue %s: %w", name, err)
	}
	return out.QueueUrl, nil
}

// create makes a queue. Another process may have made it meanwhile, with other settings.
func (t *Transport) create(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	_, err := t.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		string(types.QueueAttributeNameMaximumMessageSize):     strconv.Itoa(mostBytes),
		string(types.QueueAttributeNameMessageRetentionPeriod): strconv.Itoa(int(retention.Seconds())),
		string(types.QueueAttributeNameVisibilityTimeout):      strconv.Itoa(int(visibility.Seconds())),
	}})
	if _, made := errors.AsType[*types.QueueNameExists](err); err != nil && !made {
		return fmt.Errorf("make queue %s: %w", name, err)
	}
	t.log.Info("sqs: made the queue", "queue", name)
	return nil
}

// limit asks for the largest message that the queue takes. Some servers do not tell, and some users may not ask.
func (t *Transport) limit(ctx context.Context, url *string) int {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	name := types.QueueAttributeNameMaximumMessageSize
	out, err := t.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		t.log.Debug("sqs: the queue does not tell its largest message; taken to be 1 MiB", "queue", aws.ToString(url), "error", err)
		return mostBytes
	}
	limit, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil || limit <= 0 || limit > mostBytes {
		return mostBytes
	}
	return limit
}

// tooLarge refuses a message that is over the queue's limit. The limit is asked for again before the next message, for it may be raised
// meanwhile.
func (q *queue) tooLarge(id string, size, limit int) error {
	q.found.Store(nil)
	do := "send less"
	if limit < mostBytes {
		do = fmt.Sprintf("raise the queue's MaximumMessageSize, up to %d", mostBytes)
	}
	return fmt.Errorf("message %s refused: it has %d bytes with its attributes, and queue %s takes %d; %s: %w", id, size, q.name, limit, do, ports.ErrTooLarge)
}
