package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// An outgoing is a message on its way to SQS.
type outgoing struct {
	ctx        context.Context // of its Publish: when it has ended nobody waits for the message
	body       string
	attributes map[string]types.MessageAttributeValue
	size       int
	done       chan<- error // has room for all messages of its Publish
}

// Publish implements Watermill's message.Publisher. It returns nil when SQS has taken all messages; after an error it may have taken
// some. Messages of calls at the same time share requests. It heeds the context of the first message, and gives up after 5 s, so
// a call should hold no more than a few MiB.
//
// A message with its attributes may have as many bytes as its queue takes, at most 1 MiB; that is 786,000 bytes of a body that is not
// text, for it goes as base64. A larger one is refused with an error that is ports.ErrTooLarge, and none of its call is sent.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	q, err := t.enter(topic)
	if err != nil {
		return fmt.Errorf("publish to SQS: %w", err)
	}
	defer t.using.Done()
	ctx, cancel := context.WithTimeout(messages[0].Context(), requestWait)
	defer cancel()
	if err := q.publish(ctx, messages); err != nil {
		return fmt.Errorf("publish %d messages to queue %s: %w", len(messages), q.name, err)
	}
	return nil
}

func (q *queue) publish(ctx context.Context, messages []*message.Message) error {
	at, err := q.locate(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, len(messages))
	all := make([]*outgoing, len(messages))
	for i, m := range messages {
		out := &outgoing{ctx: ctx, done: done}
		if out.body, out.attributes, err = encode(m); err != nil {
			return err
		}
		if out.size = size(out.body, out.attributes); out.size > at.limit {
			return q.tooLarge(m.UUID, out.size, at.limit)
		}
		all[i] = out
	}
	q.sending.add(all...)
	for range all {
		select {
		case e := <-done:
			err = errors.Join(err, e)
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
	return err
}

// send makes one request of messages of many calls, and tells each its result.
func (q *queue) send(group []*outgoing) {
	entries := make([]types.SendMessageBatchRequestEntry, 0, len(group))
	for i, m := range group {
		if err := m.ctx.Err(); err != nil {
			m.done <- err
			continue
		}
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &m.body, MessageAttributes: m.attributes,
		})
	}
	if len(entries) == 0 {
		return
	}
	results := q.sendAll(entries)
	for _, e := range entries {
		i, _ := strconv.Atoi(*e.Id)
		group[i].done <- results(*e.Id)
	}
}

// sendAll returns what came of each entry by its id.
func (q *queue) sendAll(entries []types.SendMessageBatchRequestEntry) func(id string) error {
	ctx, cancel := context.WithTimeout(q.t.last, requestWait)
	defer cancel()
	all := func(err error) func(string) error { return func(string) error { return err } }
	at, err := q.locate(ctx)
	if err != nil {
		return all(err)
	}
	out, err := q.t.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: at.url, Entries: entries})
	if err != nil {
		q.lost(err)
		return all(err)
	}
	taken := make(map[string]bool, len(entries))
	for _, e := range out.Successful {
		taken[aws.ToString(e.Id)] = true
	}
	return func(id string) error {
		if taken[id] {
			return nil
		}
		for _, e := range out.Failed {
			if aws.ToString(e.Id) == id {
				return fmt.Errorf("SQS refused it: %s: %s", aws.ToString(e.Code), aws.ToString(e.Message))
			}
		}
		return errors.New("SQS does not say what became of it")
	}
}
