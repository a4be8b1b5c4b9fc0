package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A pruneWalk goes through the log from a place on and gathers what one step of retention takes: of each event that is old enough it asks
// whether its message, with all its calls, is at rest.
type pruneWalk struct {
	r      *rowMemory
	codec  *core.Codec
	before time.Time // nothing may have happened to a call since
	below  uint64    // events after it stay
	most   int       // times pruneCalls and pruneRewrites

	mostBytes, bytes int // of what is rewritten

	at    []core.Recorded // the entry that is looked at
	after uint64          // where the next walk begins
	last  bool            // it came to what is too young
	next  time.Time       // the time of that, zero at the end of the log

	streams []core.PruneStream
	settled []uint64
	calls   int
	seen    map[string]bool             // messages that were looked at, and calls whose message was
	near    []*core.PruneEntry          // that were read ahead, in their order; events are decoded when they are asked for
	far     map[uint64]*core.PruneEntry // others, by each of their events
	rewrite map[uint64]*core.PruneEntry // those of the step, by their first event
	jobs    []core.Job                  // that are under way

	later    absence // of calls that were requested after their message
	unerased absence // of rows that say that a message was erased
}

func newPruneWalk(r ports.Reader, codec *core.Codec, before time.Time, after uint64) *pruneWalk {
	return &pruneWalk{
		r: newRowMemory(r), codec: codec, before: before, below: ^uint64(0), after: after,
		seen: map[string]bool{}, far: map[uint64]*core.PruneEntry{}, rewrite: map[uint64]*core.PruneEntry{},
		later: absenceOf(core.AgainBehind), unerased: absenceOf(core.ErasedBehind),
	}
}

// onlyPublished leaves what others have not been told.
func (w *pruneWalk) onlyPublished() error {
	mark, err := optional(w.r.Get(core.EventsMark()))
	if err != nil || mark == nil {
		w.below = 0
		return err
	}
	w.below, err = strconv.ParseUint(string(mark), 10, 64)
	return err
}

func (w *pruneWalk) empty() bool {
	return len(w.streams) == 0 && len(w.settled) < fewSettled && !w.full()
}

func (w *pruneWalk) full() bool {
	return w.calls >= w.most*pruneCalls || len(w.rewrite) >= w.most*pruneRewrites || w.bytes >= w.mostBytes
}

func (w *pruneWalk) step() core.PruneStep {
	step := core.PruneStep{Before: w.before, Streams: w.streams, Settled: w.settled}
	for _, first := range slices.Sorted(maps.Keys(w.rewrite)) {
		step.Entries = append(step.Entries, *w.rewrite[first])
	}
	return step
}

func (w *pruneWalk) walk(ctx context.Context) (err error) {
	if w.jobs, err = openJobs(w.r); err != nil {
		return err
	}
	more, err := w.ahead(ctx)
	if err != nil {
		return err
	}
	for _, e := range w.near {
		if err := w.decode(e); err != nil {
			return err
		}
		if at := e.Events[0].At; at.After(w.before) || e.Last > w.below {
			w.last, w.next = true, at
			return nil
		}
		w.at = e.Events
		for _, rec := range e.Events {
			if fits, err := w.event(rec); err != nil || !fits {
				return err // a step that is full begins the next with this entry
			}
		}
		if w.after = e.Last; w.full() {
			return nil
		}
	}
	w.last = !more
	return nil
}

// ahead reads the entries that come next in one go: what came of a call lies mostly among them, so that it need not be searched for.
func (w *pruneWalk) ahead(ctx context.Context) (more bool, err error) {
	bytes := 0
	for entry, err := range w.r.Entries(w.after) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return false, err
		}
		if len(w.near) == w.most*pruneAhead || bytes > pruneAheadBytes {
			return true, nil
		}
		bytes += len(entry.Data)
		w.near = append(w.near, keepEntry(entry))
	}
	return false, nil
}

func keepEntry(entry ports.Entry) *core.PruneEntry {
	entry.Data = slices.Clone(entry.Data)
	return &core.PruneEntry{Entry: entry}
}

// decode reads the events of an entry, once.
func (w *pruneWalk) decode(e *core.PruneEntry) (err error) {
	if e.Events == nil {
		e.Events, err = w.codec.Decode(e.Entry)
	}
	return err
}

// entry returns the one that holds an event, nil where it was removed.
func (w *pruneWalk) entry(seq uint64) (*core.PruneEntry, error) {
	i, _ := slices.BinarySearchFunc(w.near, seq, func(e *core.PruneEntry, seq uint64) int { return cmp.Compare(e.Last, seq) })
	if i < len(w.near) && w.near[i].First <= seq {
		return w.near[i], w.decode(w.near[i])
	}
	if e := w.far[seq]; e != nil {
		return e, w.decode(e)
	}
	for entry, err := range w.r.Entries(seq - 1) {
		if err != nil || entry.First > seq {
			return nil, err
		}
		e := keepEntry(entry)
		for seq := entry.First; seq <= entry.Last; seq++ {
			w.far[seq] = e
		}
		return e, w.decode(e)
	}
	return nil, nil
}

// stands tells whether the log has an event.
func (w *pruneWalk) stands(seq uint64) (bool, error) {
	e, err := w.entry(seq)
	return e.Has(seq), err
}

// event looks at what an event is about; fits is false when that is too much for this step.
func (w *pruneWalk) event(rec core.Recorded) (fits bool, err error) {
	switch e := rec.Event.(type) {
	case core.CallRequested:
		w.seen[e.Call] = true
		return w.message(e.Company, e.Message)
	case core.MessageUnmatched:
		return w.message(e.Company, e.Message)
	case core.PayloadErased:
		if e.Resource == nil {
			return w.message(e.Company, e.Message)
		}
	case core.CallAttempted:
		return w.call(e.Company, e.Call)
	case core.CallSucceeded:
		return w.call(e.Company, e.Call)
	case core.CallFailed:
		return w.call(e.Company, e.Call)
	case core.CallSkipped:
		return w.call(e.Company, e.Call)
	case core.CallCancelled:
		return w.call(e.Company, e.Call)
	}
	seqs, err := core.Settled(w.r.Get, rec, w.stands)
	if err != nil || len(seqs) == 0 {
		return true, err
	}
	return w.settle(seqs)
}

// settle takes an event and those that go with it, which come first: they may be too many for one step.
func (w *pruneWalk) settle(seqs []uint64) (fits bool, err error) {
	for _, seq := range append(slices.Clone(seqs[1:]), seqs[0]) {
		e, err := w.entry(seq)
		if err != nil {
			return true, err
		}
		if !e.Has(seq) {
			continue
		}
		if w.full() {
			return false, nil
		}
		w.settled = append(w.settled, seq)
		w.goes(e)
	}
	return true, nil
}

func (w *pruneWalk) goes(e *core.PruneEntry) {
	if _, ok := w.rewrite[e.First]; !ok {
		w.rewrite[e.First] = e
		w.bytes += len(e.Data)
	}
}

// call looks at the message of a call, which mostly was done when its request was met: the row is read once, and only for others.
func (w *pruneWalk) call(company, id string) (fits bool, err error) {
	if w.seen[id] {
		return true, nil
	}
	w.seen[id] = true
	c, found, err := readCall(w.r, company, id)
	if err != nil || !found {
		return true, err
	}
	return w.message(company, c.Message)
}
