package sqs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	underWay    = 256                    // messages of a subscription that came and are not yet answered for, at most
	mostPollers = 8                      // of a subscription
	pollSlack   = 5 * time.Second        // a request may take so much longer than it waits, before it is given up
	lastMoment  = 500 * time.Millisecond // and so much longer when its subscription has ended
	firstPause  = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// pollWait is how long a request waits for a message. One whose client is gone stays at the server for the rest of this time, and the
// messages that it gets are hidden from everyone for 30 s. So requests are not cut off when a subscription ends, and the end takes so
// long. 20 s would cost a tenth of the requests, and ends of 20 s.
const pollWait = 2 * time.Second

// A subscription is what one Subscribe has begun.
type subscription struct {
	q   *queue
	ctx context.Context // ends with the subscriber's, or with Close
	out chan *message.Message

	room chan struct{} // holds a token for each message under way, and those that a poller asks for
	turn chan struct{} // holds a token while one poller takes room, so that two do not get half each

	mu      sync.Mutex
	polling int                    // pollers
	held    map[*delivery]struct{} // messages under way
	pollers sync.WaitGroup
}

// Subscribe implements Watermill's message.Subscriber. It succeeds while SQS is away or the queue is missing; messages come once that
// has changed. The channel is closed up to 2 s after ctx has ended, or Close was called, when no request waits for messages any more.
//
// Messages come without waiting for the acknowledgement of earlier ones, 256 at most of one subscription, in no order. For as long as
// one is handled it is kept from others. It is deleted after Ack, whenever that comes; after Nack it comes again at once, and so it
// does after Close, and 30 s after the death of the process, or of the subscription.
func (t *Transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	q, err := t.enter(topic)
	if err != nil {
		return nil, fmt.Errorf("subscribe to SQS: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, cancel)
	s := &subscription{
		q: q, ctx: ctx, out: make(chan *message.Message), held: map[*delivery]struct{}{},
		room: make(chan struct{}, underWay), turn: make(chan struct{}, 1), polling: 1,
	}
	s.pollers.Go(s.poll)
	s.pollers.Go(s.keep)
	go func() { // ends with ctx, joined by Close
		defer t.using.Done()
		s.pollers.Wait()
		close(s.out)
		stop()
		cancel()
	}()
	return s.out, nil
}

// poll receives messages and hands them out, until ctx ends, or there is more than one poller and too little to do.
func (s *subscription) poll() {
	for failures := 0; s.reserve(); {
		got, err := s.receive()
		for range mostEntries - got {
			<-s.room
		}
		s.q.report(err)
		if err != nil {
			failures++
			s.pause(failures)
		} else {
			failures = 0
		}
		if got < mostEntries/2 && s.leave() {
			return
		}
	}
}

// reserve waits until a request's worth of messages may be under way. It returns false when ctx has ended.
func (s *subscription) reserve() bool {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.ctx.Done():
		return false
	}
	for range mostEntries {
		select {
		case s.room <- struct{}{}:
		case <-s.ctx.Done():
			return false
		}
	}
	return s.ctx.Err() == nil
}

// another begins one poller more: a full request means that more may wait.
func (s *subscription) another() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling < mostPollers && s.ctx.Err() == nil {
		s.polling++
		s.pollers.Go(s.poll)
	}
}

// leave says whether a poller may go: another one remains.
func (s *subscription) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling == 1 {
		return false
	}
	s.polling--
	return true
}

// receive makes one request and hands out what it brought. What cannot be handed out any more goes back.
func (s *subscription) receive() (got int, err error) {
	ctx, cancel := s.outlive()
	defer cancel()
	at, err := s.q.locate(ctx)
	if err != nil {
		return 0, err
	}
	answer, err := s.q.t.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:              at.url,
		MaxNumberOfMessages:   mostEntries,
		WaitTimeSeconds:       int32(pollWait / time.Second),
		VisibilityTimeout:     int32(visibility / time.Second),
		MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		s.q.lost(err)
		return 0, fmt.Errorf("receive from queue %s: %w", s.q.name, err)
	}
	if len(answer.Messages) == mostEntries {
		s.another()
	}
	all := make([]*delivery, len(answer.Messages))
	for i, m := range answer.Messages {
		all[i] = s.hold(m)
	}
	for _, d := range all {
		select {
		case s.out <- d.m:
			s.q.t.using.Go(d.await) // Subscribe holds Close back meanwhile
		case <-s.ctx.Done():
			s.q.t.using.Go(func() {
				s.pollers.Wait() // as in await
				d.settle()
			})
		}
	}
	return len(all), nil
}

// outlive makes the context of a request, which outlives that of the subscription for as long as the request waits.
func (s *subscription) outlive() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), pollWait+pollSlack)
	stop := context.AfterFunc(s.ctx, func() { time.AfterFunc(pollWait+lastMoment, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// pause waits after so many failures in a row, from 1: doubled each time, and up to a tenth longer by chance, so that a fleet does not
// come back in one instant.
func (s *subscription) pause(failures int) {
	wait := firstPause
	for ; failures > 1 && wait < longestWait; failures-- {
		wait *= 2
	}
	wait = min(wait, longestWait)
	timer := time.NewTimer(wait + rand.N(wait/10)) //nolint:gosec // chance, no secret
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}
