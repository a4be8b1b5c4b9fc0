package kafka

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A ledger knows which messages of a partition were taken and are not committed yet, and so up to where it may be committed. Offsets are
// taken in rising order, with gaps where Kafka has them, and acknowledged in any.
type ledger struct {
	taken []entry // from the first one that is not committed
	ready int     // so many of them, from the first, are acknowledged
}

type entry struct {
	offset int64
	epoch  int32
	at     time.Time // the record's timestamp, which tells it from one at the same offset of a topic that was deleted and made again
	done   bool
}

func (l *ledger) take(r *kgo.Record) {
	l.taken = append(l.taken, entry{offset: r.Offset, epoch: r.LeaderEpoch, at: r.Timestamp})
}

// acknowledge notes the message at an offset that was taken.
func (l *ledger) acknowledge(offset int64) {
	if i, ok := l.find(offset); ok {
		l.taken[i].done = true
	}
	for l.ready < len(l.taken) && l.taken[l.ready].done {
		l.ready++
	}
}

// pending is the offset that may be committed, if it has moved since the last commit.
func (l *ledger) pending() (at kgo.EpochOffset, ok bool) {
	if l.ready == 0 {
		return at, false
	}
	last := l.taken[l.ready-1]
	return kgo.EpochOffset{Epoch: last.epoch, Offset: last.offset + 1}, true
}

// committed notes that the messages before an offset, which was pending, are committed.
func (l *ledger) committed(offset int64) {
	i, _ := l.find(offset)
	l.taken = l.taken[i:]
	l.ready = max(0, l.ready-i)
}

// settled are the messages that are acknowledged and not committed.
func (l *ledger) settled() []entry {
	return slices.DeleteFunc(slices.Clone(l.taken), func(e entry) bool { return !e.done })
}

// find returns where an offset stands, or would stand.
func (l *ledger) find(offset int64) (int, bool) {
	return slices.BinarySearchFunc(l.taken, offset, func(e entry, at int64) int { return cmp.Compare(e.offset, at) })
}
