package engine

import (
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// Bounds of one lane.
const (
	laneWindow   = 512 // due calls held in memory; those that carry their row may be more, all lanes together maxFresh
	startFlights = 4
	maxFlights   = 64
	slowAnswer   = time.Second
)

// A pace says how much of the global window a lane may share.
type pace int

const (
	unproven pace = iota // has not answered yet
	quick                // its last answer came within slowAnswer
	slow                 // timed out, took longer, or has an attempt under way for longer
)

// A lane is the queue of one webhook's due calls: a window over its due rows. queue holds those that may be attempted now, in
// row order; what lies behind the cursor is in the store alone.
type lane struct {
	company, webhook string
	target           *target // settings and secret, nil until read and after a change
	change           int     // counts the changes of the webhook

	queue   []item
	held    map[uint64]struct{} // seqs of queue and flights: rows that must not be loaded again
	cursor  []byte              // key of the last row loaded; nil for none
	behind  bool                // rows that are due may lie behind the cursor
	nextDue time.Time           // when the first row behind the cursor is due, zero for none known
	closed  bool                // disabled or deleted

	pace     pace
	limit    int // of flights that are not answered
	flights  int
	answered int       // flights whose outcomes wait for their commit
	queued   bool      // stands in the round
	idle     bool      // stands among the idle
	parked   bool      // waits for its pace's share of the window
	wakeAt   time.Time // stands among the sleepers for this time
}

// An item is a due call and how often its current attempt has been tasked without an outcome.
type item struct {
	core.Due
	lease  int
	voided int // Fresh holds as long as lanes.voided is this
}

func newLane(company, webhook string) *lane {
	return &lane{company: company, webhook: webhook, held: map[uint64]struct{}{}, limit: startFlights}
}

// add takes over a due call from a commit. It goes straight into the queue when nothing before it can lie in the store only; else
// the lane remembers to look there. It tells whether the call is queued.
func (l *lane) add(it item, now time.Time) bool {
	d := it.Due
	if _, ok := l.held[d.Seq]; ok {
		return false
	}
	if d.At.After(now) {
		if l.nextDue.IsZero() || d.At.Before(l.nextDue) {
			l.nextDue = d.At
		}
		l.rewind(d)
		return false
	}
	if l.behind || len(l.queue) >= laneWindow && it.Fresh == nil || (!l.nextDue.IsZero() && !d.At.Before(l.nextDue)) {
		l.behind = true
		l.rewind(d)
		return false
	}
	l.push(it)
	return true
}

func (l *lane) push(it item) {
	l.queue = append(l.queue, it)
	l.held[it.Seq] = struct{}{}
	if k := it.Key(); l.cursor == nil || string(k) > string(l.cursor) {
		l.cursor = k
	}
}

// rewind makes sure that the row of d lies behind the cursor. A row can come in before it when a commit was decided a moment
// before the cursor passed, and applied after.
func (l *lane) rewind(d core.Due) {
	if k := d.Key(); string(k) <= string(l.cursor) {
		l.cursor = k[:len(k)-1] // before the key itself
	}
}

// refill loads due rows behind the cursor, up to the window. It seeks to the cursor, never through what lies before it.
func (l *lane) refill(r ports.Reader, now time.Time) error {
	from, to := core.DueRange(l.webhook)
	if l.cursor != nil {
		from = append(append([]byte{}, l.cursor...), 0)
	}
	l.behind, l.nextDue = false, time.Time{}
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return err
		}
		d, err := core.ParseDue(pair.Key, pair.Value)
		if err != nil {
			return err
		}
		if d.At.After(now) {
			l.nextDue = d.At
			return nil
		}
		if len(l.queue) >= laneWindow {
			l.behind = true
			return nil
		}
		if _, ok := l.held[d.Seq]; ok {
			l.cursor = d.Key()
			continue
		}
		l.push(item{Due: d})
	}
	return nil
}

// wants tells whether the lane has something to do now, in memory or in the store.
func (l *lane) wants(now time.Time) bool {
	return !l.closed && (len(l.queue) > 0 || l.behind || l.timeUp(now))
}

func (l *lane) timeUp(now time.Time) bool { return !l.nextDue.IsZero() && !l.nextDue.After(now) }

func (l *lane) pop() item {
	it := l.queue[0]
	l.queue[0] = item{}
	l.queue = l.queue[1:]
	if len(l.queue) == 0 {
		l.queue = nil // let go of the array
	}
	return it
}

// isSlow tells whether an attempt showed a receiver that is slow or hangs.
func isSlow(class ports.Class, took time.Duration) bool {
	return class == ports.ClassTimeout || took > slowAnswer
}

// learn adapts to what an attempt showed: a quick answer widens the lane by one, a timeout or a slow answer narrows it to one, no
// connection halves it.
func (l *lane) learn(class ports.Class, took time.Duration) pace {
	switch {
	case isSlow(class, took):
		l.limit = 1
		return slow
	case class == ports.ClassOK || class == ports.ClassStatus || class == ports.ClassRedirect:
		l.limit = min(l.limit+1, maxFlights)
	default:
		l.limit = max(l.limit/2, 1)
	}
	return quick
}

// drop empties the lane of a webhook that is not called any more, and returns the bytes that its calls carried.
func (l *lane) drop() (fresh int) {
	for _, it := range l.queue {
		delete(l.held, it.Seq)
		fresh += freshSize(it.Fresh)
	}
	l.queue, l.closed, l.behind, l.nextDue = nil, true, false, time.Time{}
	return fresh
}
