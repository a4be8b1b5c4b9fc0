package sqs

import (
	"context"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	visibility = 30 * time.Second // for so long a message that came is hidden from others, unless that is postponed
	keepEvery  = 10 * time.Second // it is postponed so often: two requests may fail
)

// A delivery is a message that came, until it is answered for.
type delivery struct {
	s      *subscription
	m      *message.Message
	handle *string // by which SQS knows this delivery
	cancel context.CancelFunc
	hidden time.Time // when others were last told to wait; under the subscription's lock
}

// hold notes a message as under way.
func (s *subscription) hold(m types.Message) *delivery {
	ctx, cancel := context.WithCancel(s.ctx)
	d := &delivery{s: s, m: decode(m), handle: m.ReceiptHandle, cancel: cancel, hidden: time.Now()}
	d.m.SetContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[d] = struct{}{}
	return d
}

// await waits for the answer to a message that was handed out. It ends with the transport at the latest.
func (d *delivery) await() {
	select {
	case <-d.m.Acked():
	case <-d.m.Nacked():
	case <-d.s.q.t.ctx.Done():
		d.s.pollers.Wait() // else a request of ours that still waits would get the message back
	}
	d.settle()
}

// settle deletes the message if it was acknowledged, and else gives it back to its queue, where it can be received again at once.
func (d *delivery) settle() {
	d.drop()
	select {
	case <-d.m.Acked():
		d.s.q.deleting.add(d)
	default:
		d.s.q.postponing.add(postponement{d, 0})
	}
}

// drop ends the message's context, and that it is kept from others.
func (d *delivery) drop() {
	d.cancel()
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	delete(d.s.held, d)
}

// keep keeps the messages under way from others, for as long as the subscription lasts.
func (s *subscription) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.q.postponing.add(s.aging()...)
		case <-s.ctx.Done():
			return
		}
	}
}

// aging are the postponements of messages that have been under way for a while.
func (s *subscription) aging() []postponement {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []postponement
	for d := range s.held {
		if time.Since(d.hidden) >= keepEvery {
			d.hidden = time.Now()
			all = append(all, postponement{d, visibility})
		}
	}
	return all
}

// A postponement sets for how long a delivery is hidden from others, from now. None means that the delivery is over.
type postponement struct {
	d  *delivery
	by time.Duration
}

// postponeAll makes one request. Where it fails, messages come again later than they should, or while they are handled.
func (q *queue) postponeAll(group []postponement) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(group))
	for i, p := range group {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: p.d.handle, VisibilityTimeout: int32(p.by / time.Second),
		}
	}
	q.request("postpone", func(ctx context.Context, url *string) ([]types.BatchResultErrorEntry, error) {
		out, err := q.t.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
	for _, p := range group {
		if p.by == 0 {
			<-p.d.s.room
		}
	}
}

// deleteAll makes one request. Where it fails, messages come again.
func (q *queue) deleteAll(group []*delivery) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(group))
	for i, d := range group {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: d.handle}
	}
	q.request("delete", func(ctx context.Context, url *string) ([]types.BatchResultErrorEntry, error) {
		out, err := q.t.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
	for _, d := range group {
		<-d.s.room
	}
}

// request answers for messages. It is done even while the transport closes. Nobody waits for what comes of it, so it is told to the log.
func (q *queue) request(what string, do func(context.Context, *string) ([]types.BatchResultErrorEntry, error)) {
	ctx, cancel := context.WithTimeout(q.t.last, requestWait)
	defer cancel()
	at, err := q.locate(ctx)
	if err != nil {
		return // locate has told
	}
	failed, err := do(ctx, at.url)
	if err != nil {
		q.lost(err)
		q.t.log.Debug("sqs: messages may come twice", "failed", what, "queue", q.name, "error", err)
	}
	for _, e := range failed {
		q.t.log.Debug("sqs: a message may come twice", "failed", what, "queue", q.name, "code", aws.ToString(e.Code), "error", aws.ToString(e.Message))
	}
}
