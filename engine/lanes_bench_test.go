package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A laneBench is lanes over a store of due rows, without an engine: the test plays writer and receiver.
type laneBench struct {
	*lanes

	t      rapid.TB // the test, or one run of a property
	store  ports.Store
	seq    uint64
	tries  map[string]int // attempts that were tasked, by call
	unread bool           // lanes have to read their webhooks
}

func newLaneBench(t rapid.TB) *laneBench {
	t.Helper()
	return &laneBench{lanes: newLanes(newClock(time.Now)), t: t, store: memstore.New(), tries: map[string]int{}}
}

// due makes a new due call.
func (b *laneBench) due(webhook string, at time.Time) core.Due {
	b.seq++
	return core.Due{Webhook: webhook, At: at, Seq: b.seq, Company: companyOfHook(webhook), Call: fmt.Sprintf("call_%06d", b.seq)}
}

// companyOfHook is what stands before the slash in a webhook's name.
func companyOfHook(webhook string) string {
	for i := range webhook {
		if webhook[i] == '/' {
			return webhook[:i]
		}
	}
	return "a"
}

// put writes due rows as a commit does, and takes rows away.
func (b *laneBench) put(puts []core.Due, deletes ...core.Due) {
	b.t.Helper()
	var c ports.Commit
	for _, d := range puts {
		c.Puts = append(c.Puts, ports.Pair{Key: d.Key(), Value: dueValue(d)})
	}
	for _, d := range deletes {
		c.Deletes = append(c.Deletes, d.Key())
	}
	if err := b.store.Apply(context.Background(), c); err != nil {
		b.t.Fatal(err)
	}
}

// dueValue writes a due row as the core does.
func dueValue(d core.Due) []byte {
	value := []byte(d.Company + "\x00" + d.Call)
	if d.Ordered() {
		at := core.Due{At: d.At}.Key()
		value = append(append(value, 0), at[len(at)-16:]...) // milliseconds and a seq of zero
	}
	return value
}

// committed tells the lanes of a commit. They know their webhooks, which have no policy unless a test gives them one.
func (b *laneBench) committed(c committed) {
	for _, d := range c.dues {
		b.know(b.lane(d.Company, d.Webhook))
	}
	b.lanes.committed(c)
	for _, e := range c.events {
		if _, id, ok := webhookOf(e.Event); ok && b.byHook[id] != nil {
			b.know(b.byHook[id])
		}
	}
}

func (b *laneBench) know(l *lane) {
	if l.target == nil && !b.unread {
		l.target, l.unproved = &target{}, false
	}
}

// commit writes due rows and tells the lanes of them.
func (b *laneBench) commit(dues ...core.Due) {
	b.t.Helper()
	b.put(dues)
	b.committed(committed{dues: dues})
}

// add commits n calls that are due now.
func (b *laneBench) add(webhook string, n int) []core.Due {
	b.t.Helper()
	dues := make([]core.Due, n)
	for i := range dues {
		dues[i] = b.due(webhook, milli(time.Now()))
	}
	for part := range slices.Chunk(dues, 1000) {
		b.commit(part...)
	}
	return dues
}

func milli(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// takeAll takes up to most flights and leases them as the pump does.
func (b *laneBench) takeAll(most int) []*flight {
	b.t.Helper()
	flights, err := b.take(b.store, most)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range flights {
		b.lease(f, b.tries[f.Call]+1, time.Now().Add(startWithin+15*time.Second+leaseMargin))
	}
	return flights
}

// answer lands a flight: its row goes, and comes back at next if that is set.
func (b *laneBench) answer(f *flight, class ports.Class, took time.Duration, next time.Time) {
	b.t.Helper()
	b.tries[f.Call]++
	told := committed{outcomes: []*core.Outcome{{Company: f.Company, Call: f.Call, Attempt: f.attempt, Class: class, TookMS: took.Milliseconds()}}}
	if !next.IsZero() {
		d := f.Due
		d.At = next
		told.dues = []core.Due{d}
	}
	if len(told.dues) == 0 {
		told.events = []core.Recorded{{Event: core.CallSucceeded{CallEnded: core.CallEnded{Call: f.Call, Company: f.Company}}}}
	}
	if f.Ordered() && len(told.dues) > 0 {
		b.put(told.dues) // its row keeps its place
	} else {
		b.put(told.dues, f.Due)
	}
	b.committed(told)
}

// hear tells the lanes of an outcome that waits for its commit.
func (b *laneBench) hear(f *flight, class ports.Class, took time.Duration) {
	b.answered([]core.Outcome{{Company: f.Company, Call: f.Call, Attempt: f.attempt, Class: class, TookMS: took.Milliseconds()}})
}

// quick lands flights at once, with success.
func (b *laneBench) quick(flights ...*flight) {
	b.t.Helper()
	for _, f := range flights {
		b.answer(f, ports.ClassOK, 0, time.Time{})
	}
}

// drainAll takes and lands until nothing is due, and returns the calls in the order in which they were taken.
func (b *laneBench) drainAll() []string {
	b.t.Helper()
	var out []string
	for {
		flights := b.takeAll(64)
		if len(flights) == 0 {
			return out
		}
		for _, f := range flights {
			out = append(out, f.Call)
		}
		b.quick(flights...)
		b.check()
	}
}

// check holds the books to what they sum up.
func (b *laneBench) check() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var held [3]int
	byLane, answered := map[*lane]int{}, map[*lane]int{}
	for call, f := range b.flights {
		held[f.lane.pace]++
		byLane[f.lane]++
		if f.answered {
			answered[f.lane]++
		}
		if call != f.Call {
			b.t.Errorf("flight of %s stands under %s", f.Call, call)
		}
		if _, ok := f.lane.held[f.Seq]; !ok {
			b.t.Errorf("flight of %s is not held by its lane", f.Call)
		}
		if !f.lane.closed && b.byHook[f.lane.webhook] != f.lane {
			b.t.Errorf("flight of %s belongs to a lane that is not the webhook's", f.Call)
		}
	}
	if held != b.held {
		b.t.Errorf("held by pace = %v, flights say %v", b.held, held)
	}
	landing := 0
	for _, n := range answered {
		landing += n
	}
	if landing != b.landing || len(b.flights)-landing > maxWindow || len(b.flights) > maxFlown {
		b.t.Errorf("%d flights, %v by pace, of them answered %d, the books say %d", len(b.flights), held, landing, b.landing)
	}
	fresh := 0
	for _, l := range b.byHook {
		queue := l.queue
		if l.ordered != nil {
			queue = append(slices.Clone(queue), l.ordered.queue...)
			b.checkOrder(l)
		}
		for _, it := range queue {
			fresh += freshSize(it.Fresh)
		}
		if l.answered != answered[l] {
			b.t.Errorf("lane %s counts %d answered flights; it has %d", l.webhook, l.answered, answered[l])
		}
		if l.flights != byLane[l] || len(l.held) != len(queue)+byLane[l] {
			b.t.Errorf("lane %s counts %d flights and holds %d rows; it has %d flights and %d in its queue",
				l.webhook, l.flights, len(l.held), byLane[l], len(queue))
		}
		if l.flights > 0 && l.limit > maxFlights || len(l.queue) > laneWindow+maxFlights {
			b.t.Errorf("lane %s: limit %d, queue %d", l.webhook, l.limit, len(l.queue))
		}
	}
	if fresh != b.fresh || fresh > maxFresh {
		b.t.Errorf("queued calls carry %d bytes of at most %d; the books say %d", fresh, maxFresh, b.fresh)
	}
}

// checkOrder: an ordered call flies alone, and those that wait stand as they were requested.
func (b *laneBench) checkOrder(l *lane) {
	b.t.Helper()
	if (l.alone != nil) && l.flights != 1 {
		b.t.Errorf("lane %s has %d flights beside an ordered call", l.webhook, l.flights-1)
	}
	if len(l.ordered.queue) > laneWindow+maxFlights || !slices.IsSortedFunc(l.ordered.queue, func(x, y item) int { return cmp.Compare(x.Seq, y.Seq) }) {
		b.t.Errorf("lane %s: %d ordered calls wait, or not in their order", l.webhook, len(l.ordered.queue))
	}
	for i, it := range l.ordered.queue {
		if i > 0 && it.At.After(milli(time.Now())) {
			b.t.Errorf("lane %s: %s waits for its next attempt and is not the first", l.webhook, it.Call)
		}
	}
}
