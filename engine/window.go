package engine

import (
	"cmp"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Bounds of one window.
const (
	laneWindow = 512  // due calls held in memory; those that carry their row may be more, all lanes together maxFresh
	maxPassed  = 1024 // rows of the other kind passed over in one refill
)

// A window is the part in memory of a webhook's due rows of one kind: the parallel ones, whose rows lie where their next attempt is due, or
// the ordered ones, whose rows lie where the calls were requested. queue holds those that may be attempted now, in row order, and of the
// ordered ones the first even if it is due later; what lies behind the cursor is in the store alone.
type window struct {
	queue   []item
	cursor  []byte    // key of the last row loaded or passed over; nil for none
	behind  bool      // rows that are due may lie behind the cursor
	nextDue time.Time // when the first parallel row behind the cursor is due, zero for none known
}

// holdings are the seqs of the calls that a lane has in its windows or under way: rows that must not be loaded again.
type holdings map[uint64]struct{}

// add takes over a parallel call from a commit. It goes straight into the queue when nothing before it can lie in the store only; else
// the window remembers to look there. It tells whether the call is queued.
func (w *window) add(it item, held holdings, now time.Time) bool {
	d := it.Due
	_, known := held[d.Seq]
	switch {
	case d.At.After(now):
		if w.nextDue.IsZero() || d.At.Before(w.nextDue) {
			w.nextDue = d.At
		}
		w.rewind(d)
		return false
	case known:
		return false
	case w.behind || w.full(it) || (!w.nextDue.IsZero() && !d.At.Before(w.nextDue)):
		w.behind = true
		w.rewind(d)
		return false
	}
	w.push(it, held)
	return true
}

// addOrdered takes over an ordered call from a commit: a new one, or one that is to be tried again and keeps its place, which is before all
// others. It tells whether the call is queued with what it carries.
func (w *window) addOrdered(it item, held holdings) bool {
	if _, known := held[it.Seq]; known {
		if len(w.queue) > 0 && w.queue[0].Seq == it.Seq {
			w.queue[0].At = it.At // an outcome came after its lease had ended
		}
		return false
	}
	switch {
	case w.cursor != nil && string(it.Key()) <= string(w.cursor):
		it.Fresh = nil // it may wait for long
		at, _ := slices.BinarySearchFunc(w.queue, it.Seq, func(q item, seq uint64) int { return cmp.Compare(q.Seq, seq) })
		w.queue = slices.Insert(w.queue, at, it)
		held[it.Seq] = struct{}{}
		return false
	case w.behind || w.full(it):
		w.behind = true
		return false
	}
	w.push(it, held)
	return true
}

func (w *window) full(it item) bool { return len(w.queue) >= laneWindow && it.Fresh == nil }

func (w *window) push(it item, held holdings) {
	w.queue = append(w.queue, it)
	held[it.Seq] = struct{}{}
	if k := it.Key(); w.cursor == nil || string(k) > string(w.cursor) {
		w.cursor = k
	}
}

// rewind makes sure that the row of d lies behind the cursor. A row can come in before it when a commit was decided a moment
// before the cursor passed, and applied after.
func (w *window) rewind(d core.Due) {
	if k := d.Key(); string(k) <= string(w.cursor) {
		w.cursor = k[:len(k)-1] // before the key itself
	}
}

// refill loads rows of one kind from behind the cursor, up to the window, and tells whether it passed over others. It seeks to the cursor,
// never through what lies before it. Behind a parallel row that is due later lies nothing that is due: an ordered row lies in the past.
func (w *window) refill(r ports.Reader, webhook string, ordered bool, held holdings, now time.Time) (others bool, err error) {
	from, to := core.DueRange(webhook)
	if w.cursor != nil {
		from = append(append([]byte{}, w.cursor...), 0)
	}
	w.behind, w.nextDue = false, time.Time{}
	passed := 0
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return others, err
		}
		d, err := core.ParseDue(pair.Key, pair.Value)
		if err != nil {
			return others, err
		}
		if !d.Ordered() && d.At.After(now) {
			if !ordered {
				w.nextDue = d.At
			}
			return others, nil
		}
		if len(w.queue) >= laneWindow || passed >= maxPassed {
			w.behind = true
			return others, nil
		}
		_, known := held[d.Seq]
		switch {
		case d.Ordered() != ordered:
			others = true
			passed++
			w.cursor = d.Key()
		case known:
			w.cursor = d.Key()
		default:
			w.push(item{Due: d}, held)
		}
	}
	return others, nil
}

func (w *window) pop() item {
	it := w.queue[0]
	w.queue[0] = item{}
	w.queue = w.queue[1:]
	if len(w.queue) == 0 {
		w.queue = nil // let go of the array
	}
	return it
}

// lacks tells whether calls that are due may lie in the store only, while none is queued.
func (w *window) lacks(now time.Time) bool {
	return len(w.queue) == 0 && (w.behind || !w.nextDue.IsZero() && !w.nextDue.After(now))
}

// empty tells whether nothing is queued or known to be in the store.
func (w *window) empty() bool { return len(w.queue) == 0 && !w.behind && w.nextDue.IsZero() }

// drop empties the window, and returns the bytes that its calls carried.
func (w *window) drop(held holdings) (fresh int) {
	for _, it := range w.queue {
		delete(held, it.Seq)
		fresh += freshSize(it.Fresh)
	}
	*w = window{}
	return fresh
}
