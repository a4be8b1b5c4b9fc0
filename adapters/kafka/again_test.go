package kafka

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestNackHoldsNobodyUp: one message of a partition is refused again and again, those behind it are handled, and once it is acknowledged
// none comes again to whoever subscribes next.
func TestNackHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		transport, topic, j := open(t, o), newTopic(), newJournal()
		all := ids("m", 600)
		send(t, transport, topic, all...)
		enough := make(chan struct{})
		acked := newJournal()
		stop := listen(t, transport, topic, j, func(m *message.Message) {
			if m.UUID == all[3] {
				select {
				case <-enough:
				default:
					m.Nack()
					return
				}
			}
			m.Ack()
			acked.note(m.UUID)
		})
		j.wait(t, func(came map[string]int) bool { return has(all...)(came) && came[all[3]] > 3 })
		close(enough)
		acked.wait(t, has(all...))
		stop()
		send(t, transport, topic, "marker")
		next := newJournal()
		listen(t, transport, topic, next, ack)
		if came := next.wait(t, has("marker")); len(came) != 1 {
			t.Errorf("%d acknowledged messages came again", len(came)-1)
		}
	})
}

// TestUnacknowledgedComesAgain: what a subscription had and did not acknowledge comes to the next one, and so does what was acknowledged
// behind it, for a partition is committed as far as it is acknowledged without a hole.
func TestUnacknowledgedComesAgain(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		transport, topic, j, next := open(t, o), newTopic(), newJournal(), newJournal()
		send(t, transport, topic, "a", "b", "c", "d")
		acked := newJournal()
		stop := listen(t, transport, topic, j, func(m *message.Message) {
			if m.UUID != "b" {
				m.Ack()
				acked.note(m.UUID)
			}
		})
		j.wait(t, has("b"))
		acked.wait(t, has("a", "c", "d"))
		stop()
		listen(t, open(t, o), topic, next, ack)
		if came := next.wait(t, has("b", "c", "d")); came["a"] != 0 {
			t.Error("a came again, which was acknowledged, and everything before it")
		}
	})
}

// TestRebalance: processes come and go while messages are under way. None is lost, and none comes twice but what a process had under way
// when it left: who gives a partition away finishes and commits what it has of it.
func TestRebalance(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		publisher, topic, j, underWay := open(t, o), newTopic(), newJournal(), newJournal()
		listen(t, open(t, o), topic, j, ack)
		running := publishing(t, publisher, topic, 4)
		running.more(t, 200)
		for i := range 4 {
			own := newJournal()
			var mu sync.RWMutex
			left := false
			stop := listen(t, open(t, o), topic, j, func(m *message.Message) {
				mu.RLock()
				defer mu.RUnlock()
				own.note(m.UUID)
				if left {
					underWay.note(m.UUID)
				} else {
					m.Ack()
				}
			})
			own.wait(t, func(came map[string]int) bool { return len(came) >= 20 })
			running.more(t, 100)
			if i%2 == 0 {
				mu.Lock()
				left = true
				mu.Unlock()
				stop()
				running.more(t, 100)
			}
		}
		sent := running.stop()
		for id, times := range j.wait(t, has(sent...)) {
			if times > 1+underWay.came[id] {
				t.Errorf("%s of %d messages came %d times, and was under way %d times when a process left", id, len(sent), times, underWay.came[id])
			}
		}
	})
}

// TestPartitionIsFinishedBeforeItGoes: a second process joins while messages are under way at the first. It does not get them too, but what
// comes later.
func TestPartitionIsFinishedBeforeItGoes(t *testing.T) {
	t.Parallel()
	cluster, o := fakeCluster(t)
	synced := newJournal()
	cluster.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		synced.note("sync")
		return nil, nil, false
	})
	transport, topic, j, release := open(t, o), newTopic(), newJournal(), make(chan struct{})
	early, late := ids("early", 60), ids("late", 60)
	sendApart(t, transport, topic, early...)
	listen(t, transport, topic, j, func(m *message.Message) { <-release; m.Ack() })
	j.wait(t, has(early...))
	second := newJournal()
	listen(t, open(t, o), topic, second, ack)
	synced.wait(t, func(came map[string]int) bool { return came["sync"] >= 3 }) // the first one, and both with the second
	second.mu.Lock()
	changed := second.changed
	second.mu.Unlock()
	select {
	case <-changed:
		t.Error("the second process got what is under way at the first")
	case <-time.After(500 * time.Millisecond): // there is no signal for what must not happen
	}
	close(release)
	sendApart(t, transport, topic, late...)
	came := second.wait(t, func(came map[string]int) bool { return len(came) > 0 })
	for _, id := range early {
		if came[id] > 0 {
			t.Errorf("%s came to both", id)
		}
	}
}

// TestSettledStaysSettled: the group forgets a process whose commits fail. What it has acknowledged is fetched again, and not handed out
// again.
func TestSettledStaysSettled(t *testing.T) {
	t.Parallel()
	cluster, o := fakeCluster(t)
	transport, topic, j := open(t, o), newTopic(), newJournal()
	var broken atomic.Bool
	broken.Store(true)
	fetched := make(chan struct{}, 100)
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return nil, errors.New("refused by the test"), broken.Load()
	})
	cluster.ControlKey(int16(kmsg.OffsetFetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		fetched <- struct{}{}
		return nil, nil, false
	})
	all := ids("m", 100)
	send(t, transport, topic, all...)
	acked := newJournal()
	listen(t, transport, topic, j, func(m *message.Message) {
		m.Ack()
		acked.note(m.UUID)
	})
	acked.wait(t, has(all...))
	<-fetched
	cluster.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		answer := r.ResponseKind().(*kmsg.HeartbeatResponse)
		answer.ErrorCode = kerr.UnknownMemberID.Code
		return answer, nil, true
	})
	<-fetched // it has joined anew, and begins where nothing was committed
	broken.Store(false)
	send(t, transport, topic, "after")
	if n := repeated(j.wait(t, has("after"))); n > 0 {
		t.Errorf("%d acknowledged messages came again", n)
	}
}

// TestSpreadIsBounded: of a partition 4,096 messages are taken from the first one that is not acknowledged, and the rest once it is;
// other partitions do not wait for it.
func TestSpreadIsBounded(t *testing.T) {
	t.Parallel()
	o := fake(t)
	o.Partitions = 2
	transport, topic, j := open(t, o), newTopic(), newJournal()
	all := ids("m", spread+2*window)
	send(t, transport, topic, all...)
	release := make(chan struct{})
	listen(t, transport, topic, j, func(m *message.Message) {
		if m.UUID == all[0] {
			<-release
		}
		m.Ack()
	})
	j.wait(t, func(came map[string]int) bool { return len(came) >= spread })
	sendApart(t, transport, topic, ids("other", 20)...) // some of them to the other partition
	came := j.wait(t, func(came map[string]int) bool {
		return slices.ContainsFunc(ids("other", 20), func(id string) bool { return came[id] > 0 })
	})
	if taken := len(slices.DeleteFunc(slices.Clone(all), func(id string) bool { return came[id] == 0 })); taken >= spread+window {
		t.Errorf("%d were taken of the partition", taken)
	}
	close(release)
	j.wait(t, has(all...))
}
