package engine

import "sync/atomic"

// maxBacklog bounds the tasks that are on their way to the dispatcher beside the pump, or wait in it for a thread. Beside a flood that takes
// two processors, 8 to 32 gave another company's calls the same slowest hundredth; few make many small envelopes.
const maxBacklog = 16

// A backlog counts the tasks that were published within this process and are not begun. The pump publishes no more than there is room for,
// and the rest stays in the lanes, where the next company's call is next: once begun by goroutines they take turns in the order in
// which they came, a hundred of one company before the first of another. Over a broker nobody counts, for others may begin the tasks: a
// nil backlog has always room. It is safe for concurrent use.
type backlog struct {
	tasks atomic.Int64
	eased func() // called when half of the most has room again
}

// room is how many tasks may be published now.
func (b *backlog) room() int {
	if b == nil {
		return maxGather
	}
	return max(0, maxBacklog-int(b.tasks.Load()))
}

// grow counts tasks that are about to be published.
func (b *backlog) grow(n int) {
	if b != nil {
		b.tasks.Add(int64(n))
	}
}

// shrink counts tasks that were begun, dropped or not published after all.
func (b *backlog) shrink(n int) {
	if b == nil {
		return
	}
	for {
		before := b.tasks.Load()
		left := max(0, before-int64(n)) // what was forgotten may be begun all the same
		if !b.tasks.CompareAndSwap(before, left) {
			continue
		}
		if left <= maxBacklog/2 && before > maxBacklog/2 {
			b.eased()
		}
		return
	}
}

// forget is for tasks that were lost, nobody knows how many: none is waited for any more. Nor is any where no attempt is under way.
func (b *backlog) forget() { b.shrink(maxFlown) }
