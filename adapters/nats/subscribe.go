package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/ports"
)

const (
	underWay  = 256                    // messages of a subscription that are handed out and neither acknowledged nor refused
	ahead     = 64                     // further messages fetched before they can be handed out
	heartbeat = 2 * time.Second        // from the server while nothing comes; after two without one the subscription begins anew
	nakDelay  = 100 * time.Millisecond // before a refused message comes again
)

// Subscribe returns the messages of a topic, which come in no order, as many as 256 before the first of them must be acknowledged. A
// message that is refused comes again after 100 ms; one that is held is not given to anyone else, however long that takes, while this
// process lives. After its death what it held is given to others within 30 s.
//
// It returns at once; stream and consumer are created in the background once the broker is there, and again when they are gone. The
// subscription ends with ctx and with Close, and the channel is closed then. What was not acknowledged by then is given back.
//
// An acknowledgement is sent without waiting for an answer: if the broker dies before it is read, the message comes again. A message from
// elsewhere with a header Status and no body is taken for the server's own words by nats.go: it is never handed out, and each time it
// comes, others that were on their way may come only 30 s later. Delete it from the stream.
func (t *Transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := checkTopic(topic); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return nil, fmt.Errorf("subscribe to %s over NATS: the transport is closed: %w", topic, ports.ErrClosed)
	}
	ctx, end := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, end)
	s := &subscription{t: t, topic: topic, out: make(chan *message.Message), slots: make(chan struct{}, underWay)}
	t.receiving.Go(func() { // ends with ctx or Close, joined by Close
		defer stop()
		defer end()
		s.run(ctx)
	})
	return s.out, nil
}

// A subscription is one call of Subscribe.
type subscription struct {
	t     *Transport
	topic string
	out   chan *message.Message
	slots chan struct{} // one is taken for each message handed out
	held  sync.WaitGroup
}

// run receives until ctx ends: in rounds, each of which begins with looking for the consumer, and lasts until the next connection or
// the first error.
func (s *subscription) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		consumer, next, err := s.begin(ctx)
		s.t.tell(&s.t.subscribing, "subscribe to", s.topic, err)
		if err == nil {
			failures = 0
			err = s.receive(ctx, consumer, next)
		}
		if err != nil && ctx.Err() == nil {
			failures++
			s.t.log.Debug("nats: receiving begins anew", "topic", s.topic, "error", err)
			pause(ctx, backoff(failures))
		}
	}
	s.held.Wait()
	s.t.subscribing.note(s.topic, nil)
	close(s.out)
}

// begin waits for a connection and looks for the consumer.
func (s *subscription) begin(ctx context.Context) (_ jetstream.Consumer, next <-chan struct{}, _ error) {
	alive, next, err := s.t.link.await(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := during(ctx, alive)
	defer cancel()
	consumer, err := s.t.consumer(ctx, s.topic)
	return consumer, next, err
}

// receive takes messages until ctx ends, something fails, or there is a new connection. While there is none, what was fetched before
// is still handed out.
func (s *subscription) receive(ctx context.Context, consumer jetstream.Consumer, next <-chan struct{}) (err error) {
	failed := make(chan error, 1)
	wait := consumer.CachedInfo().Config.AckWait
	consuming, err := consumer.Consume(func(in jetstream.Msg) { s.take(ctx, in, wait) },
		jetstream.PullMaxMessages(ahead), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			select {
			case failed <- err:
			default:
			}
		}))
	if err != nil {
		return err
	}
	select {
	case err = <-failed:
	case <-next: // nats.go goes on by itself, but not if it misses one of two quick changes of the connection
	case <-ctx.Done():
	}
	if s.t.link.isUp() {
		consuming.Drain() // hands what was fetched to take, which gives it back after the end
	} else {
		consuming.Stop()
	}
	<-consuming.Closed()
	return err
}

// take hands out a message as soon as it may. It is called by one goroutine of nats.go at a time; while it waits, no more is fetched.
func (s *subscription) take(ctx context.Context, in jetstream.Msg, wait time.Duration) {
	if ctx.Err() == nil {
		select {
		case s.slots <- struct{}{}:
			s.held.Go(func() { // ends when the message is settled, or with ctx; joined by run
				defer func() { <-s.slots }()
				s.hold(ctx, in, wait)
			})
			return
		case <-ctx.Done():
		}
	}
	_ = in.Nak() // if it is not heard, the message comes again all the same, only later
}

// hold offers a message, keeps it from being given to others, and tells the broker what became of it.
func (s *subscription) hold(ctx context.Context, in jetstream.Msg, wait time.Duration) {
	m := fromNATS(in)
	inside, leave := context.WithCancel(ctx)
	defer leave()
	m.SetContext(inside)
	alive := time.NewTicker(max(wait/3, time.Millisecond))
	defer alive.Stop()
	for out := s.out; ; {
		select {
		case out <- m:
			out = nil
		case <-alive.C:
			_ = in.InProgress() // or the message comes again
		case <-m.Acked():
			leave()
			s.acknowledge(ctx, in)
			return
		case <-m.Nacked():
			_ = in.NakWithDelay(nakDelay)
			return
		case <-ctx.Done():
			s.giveBack(m, in)
			return
		}
	}
}

// acknowledge tells the broker that a message is done. If there is no connection it waits for the next, so that what was done meanwhile
// does not come again.
func (s *subscription) acknowledge(ctx context.Context, in jetstream.Msg) {
	for {
		_, next := s.t.link.state()
		err := in.Ack()
		if !errors.Is(err, natsio.ErrReconnectBufExceeded) {
			return // sent, or closed: then it comes again
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}

// giveBack is for a message that is still held at the end.
func (*subscription) giveBack(m *message.Message, in jetstream.Msg) {
	select {
	case <-m.Acked():
		_ = in.Ack()
	default:
		_ = in.Nak()
	}
}
