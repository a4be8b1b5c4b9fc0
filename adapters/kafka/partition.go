package kafka

import (
	"context"
	"maps"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// spread is how many messages of a partition may be taken, from the first one that is not committed: behind one that is not acknowledged
// the others are handled, but cannot be committed, and come again after a crash. Then nothing more is fetched until it is.
const spread = 4096

// A partition is one that belongs to this process until it is released.
type partition struct {
	released chan struct{} // closed when it goes to another process; what is not handed out yet stays here no longer

	mu       sync.Mutex
	ledger   ledger
	underWay int
	paused   bool
	idle     chan struct{} // set by release if something was under way; closed when nothing is any more
}

// enter notes that a message is under way; pause says that no more may be fetched from now on.
func (p *partition) enter(r *kgo.Record) (pause bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger.take(r)
	p.underWay++
	pause = len(p.ledger.taken) >= spread
	p.paused = p.paused || pause
	return pause
}

// leave notes that a message is not under way any more, acknowledged or not.
func (p *partition) leave(r *kgo.Record, acknowledged bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if acknowledged {
		p.ledger.acknowledge(r.Offset)
	}
	if p.underWay--; p.underWay == 0 && p.idle != nil {
		close(p.idle)
	}
}

func (p *partition) pending() (kgo.EpochOffset, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.pending()
}

// committed notes what was; resume says that more may be fetched again.
func (p *partition) committed(offset int64) (resume bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger.committed(offset)
	resume = p.paused && len(p.ledger.taken) < spread/2
	p.paused = p.paused && !resume
	return resume
}

func (p *partition) settled() []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.settled()
}

// release returns a channel that is closed when nothing is under way. It is called once.
func (p *partition) release() <-chan struct{} {
	close(p.released)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = make(chan struct{})
	if p.underWay == 0 {
		close(p.idle)
	}
	return p.idle
}

func (s *subscription) assigned(_ context.Context, client *kgo.Client, now map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client.ResumeFetchPartitions(now) // one may have been paused when it was here before
	for _, n := range now[s.topic] {
		s.partitions[n] = &partition{released: make(chan struct{})}
	}
}

// revoked waits for what is under way in the partitions that go, commits up to where they are acknowledged, and lets them go. What still
// is under way after 10 s comes again at the next owner.
func (s *subscription) revoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	partitions := s.remove(gone[s.topic])
	idle := make([]<-chan struct{}, 0, len(partitions))
	for _, p := range partitions {
		idle = append(idle, p.release())
	}
	waiting, cancel := context.WithTimeout(ctx, revokePatience)
	defer cancel()
	for _, i := range idle {
		select {
		case <-i:
		case <-waiting.Done():
		}
	}
	s.commit(ctx, client, func() map[int32]*partition { return partitions })
	s.remember(partitions)
}

// lost lets partitions go that belong to another process already.
func (s *subscription) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	partitions := s.remove(gone[s.topic])
	for _, p := range partitions {
		p.release()
	}
	s.remember(partitions)
}

// remember keeps what was acknowledged in partitions that are gone and could not be committed, as when the broker has died. If it comes
// here again, it is not handed out again.
func (s *subscription) remember(gone map[int32]*partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, p := range gone {
		s.settled[n] = map[int64]entry{}
		for _, e := range p.settled() {
			s.settled[n][e.offset] = e
		}
	}
}

func (s *subscription) remove(numbers []int32) map[int32]*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := map[int32]*partition{}
	for _, n := range numbers {
		if p := s.partitions[n]; p != nil {
			removed[n] = p
			delete(s.partitions, n)
		}
	}
	return removed
}

func (s *subscription) all() map[int32]*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.partitions)
}

// take notes a message that was fetched; nil means that it is not to be handed out: its partition is not ours any more, or it was
// acknowledged before.
func (s *subscription) take(r *kgo.Record) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[r.Partition]
	if p == nil {
		return nil
	}
	if p.enter(r) {
		s.client.PauseFetchPartitions(map[string][]int32{s.topic: {r.Partition}})
	}
	if e, ok := s.settled[r.Partition][r.Offset]; ok && e.at.Equal(r.Timestamp) {
		p.leave(r, true)
		s.nudge()
		return nil
	}
	return p
}

// deliver hands a message out until it is acknowledged, its partition goes to another process, or the subscription ends.
func (s *subscription) deliver(p *partition, r *kgo.Record) {
	acknowledged := false
	for again := true; again && !acknowledged; {
		acknowledged, again = s.handOut(p, r)
	}
	p.leave(r, acknowledged)
	<-s.window
	if acknowledged {
		s.nudge()
	}
}

// handOut hands a message out once.
func (s *subscription) handOut(p *partition, r *kgo.Record) (acknowledged, again bool) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	m := toMessage(ctx, r)
	select {
	case <-p.released:
		return false, false
	default:
	}
	select {
	case s.out <- m:
	case <-p.released:
		return false, false
	case <-s.ctx.Done():
		return false, false
	}
	select {
	case <-m.Acked():
		return true, false
	case <-m.Nacked():
		return false, true
	case <-s.ctx.Done():
	}
	select {
	case <-m.Acked(): // both at once
		return true, false
	default:
		return false, false
	}
}
