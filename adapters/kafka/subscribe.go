package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// window is how many messages of a subscription are under way at once.
const window = 256

// A subscription is one member of a topic's consumer group.
type subscription struct {
	topic  string
	client *kgo.Client // the callbacks get it handed in, for they may begin before it is here
	log    *reporter
	out    chan *message.Message
	ctx    context.Context // of the messages too

	window     chan struct{} // a place for each message under way
	deliveries sync.WaitGroup
	moved      chan struct{} // something may be committed

	committing sync.Mutex // one commit at a time, from reading what may be committed until it is: a late one would take a later one back

	mu         sync.Mutex
	partitions map[int32]*partition
	settled    map[int32]map[int64]entry // by partition and offset; see remember
}

// Subscribe implements [message.Subscriber]. The channel is closed when ctx has ended or Close was called, and the group is left. It
// returns at once: the topic is looked for, or made, for as long as it takes, and so is a broker that has gone.
//
// A message that is not acknowledged when the subscription ends comes again, here or elsewhere. One that was refused by Nack
// comes again at once, while the partition stays here. At most 256 are under way at once.
func (t *Transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	topic = topicName(topic)
	if err := t.enter(); err != nil {
		return nil, fmt.Errorf("subscribe to kafka topic %s: %w", topic, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, cancel)
	s := &subscription{
		topic: topic, log: t.log, out: make(chan *message.Message), ctx: ctx,
		window: make(chan struct{}, window), moved: make(chan struct{}, 1), partitions: map[int32]*partition{},
		settled: map[int32]map[int64]entry{},
	}
	go func() { // ends with ctx or Close, which joins it
		defer t.inside.Done()
		defer close(s.out)
		defer cancel()
		defer stop()
		if t.topics.wait(ctx, topic) == nil {
			s.log.tell("subscription to "+topic, s.run(t.options))
		}
	}()
	return s.out, nil
}

// run consumes until the context ends, and leaves the group in such a way that all that was acknowledged is committed.
func (s *subscription) run(o Options) error {
	opts, err := clientOptions(o, s.log)
	if err != nil {
		return err
	}
	if s.client, err = kgo.NewClient(append(opts, s.consuming()...)...); err != nil {
		return err
	}
	var committer sync.WaitGroup
	committer.Go(s.commitAll) // ends with the context
	for s.ctx.Err() == nil {
		s.poll()
	}
	s.deliveries.Wait()
	committer.Wait()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), leaveTimeout)
	defer cancel()
	_ = s.client.LeaveGroupContext(leaving) // by revoked, which commits; if it fails the group misses us after the session's timeout
	s.client.Close()
	return nil
}

// poll takes what was fetched, as much as the window has room for. No partition changes hands before all of it is noted.
func (s *subscription) poll() {
	free := s.reserve()
	if free == 0 {
		return
	}
	fetches := s.client.PollRecords(s.ctx, free)
	s.log.tell("reading "+s.topic, fetches.Err())
	fetches.EachRecord(func(r *kgo.Record) {
		if p := s.take(r); p != nil {
			free--
			s.deliveries.Go(func() { s.deliver(p, r) }) // ends with the message, its partition, or the context
		}
	})
	s.client.AllowRebalance()
	for range free {
		<-s.window
	}
}

// reserve waits for a place in the window and takes all that are free; 0 means that the context has ended.
func (s *subscription) reserve() (n int) {
	select {
	case s.window <- struct{}{}:
	case <-s.ctx.Done():
		return 0
	}
	for n = 1; ; n++ {
		select {
		case s.window <- struct{}{}:
		default:
			return n
		}
	}
}

// commitAll commits whenever something may be, one commit after the other: what is acknowledged while one is under way goes with the
// next.
func (s *subscription) commitAll() {
	for n := 0; ; {
		select {
		case <-s.moved:
		case <-s.ctx.Done():
			return
		}
		if s.commit(s.ctx, s.client, s.all) {
			n = 0
			continue
		}
		s.nudge()
		if n++; sleep(s.ctx, backoff(n)) != nil {
			return
		}
	}
}

// nudge wakes commitAll.
func (s *subscription) nudge() {
	select {
	case s.moved <- struct{}{}:
	default: // it is awake already
	}
}

// commit stores up to where the partitions are acknowledged, and tells whether it could.
func (s *subscription) commit(ctx context.Context, client *kgo.Client, of func() map[int32]*partition) bool {
	s.committing.Lock()
	defer s.committing.Unlock()
	partitions, offsets := of(), map[int32]kgo.EpochOffset{}
	for n, p := range partitions {
		if at, ok := p.pending(); ok {
			offsets[n] = at
		}
	}
	if len(offsets) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	var failed error
	client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.topic: offsets},
		func(client *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			failed = err
			for n, refused := range refusals(answer) {
				if refused != nil {
					failed = refused
				} else if partitions[n].committed(offsets[n].Offset) {
					client.ResumeFetchPartitions(map[string][]int32{s.topic: {n}})
				}
			}
		})
	s.log.tell("committing to "+s.topic, failed)
	return failed == nil
}

// refusals are the answers of a commit by partition, nil for those that were taken.
func refusals(answer *kmsg.OffsetCommitResponse) map[int32]error {
	all := map[int32]error{}
	if answer == nil {
		return all
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			all[p.Partition] = kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return all
}

// sleep waits for d, or returns the error of ctx when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
