package engine

import (
	"slices"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A restingStream is a message that may go, with the places of the events that erased it.
type restingStream struct {
	core.PruneStream

	erased []uint64
}

// message adds a message with its calls to the step, if all are at rest. A message with more calls than a step takes goes in parts, oldest
// calls first; fits is false when the step is full before its end.
func (w *pruneWalk) message(company, id string) (fits bool, err error) {
	if w.seen[id] {
		return true, nil
	}
	w.seen[id] = true
	stream, ok, err := w.stream(company, id)
	if err != nil || !ok {
		return true, err
	}
	mostCalls, mostRewrites := w.most*pruneCalls, w.most*pruneRewrites
	calls, rewrites := 0, len(w.rewrite)
	for _, c := range stream.Calls {
		if rewrites += len(c.Seqs); calls > 0 && (calls == mostCalls || rewrites > mostRewrites) {
			break
		}
		calls++
	}
	if calls < len(stream.Calls) || w.calls+calls > mostCalls || rewrites > mostRewrites {
		if !w.empty() {
			return false, nil // it begins the next step
		}
		stream.Whole = calls == len(stream.Calls)
		stream.Calls = stream.Calls[:calls]
	}
	return w.add(stream)
}

func (w *pruneWalk) add(stream restingStream) (fits bool, err error) {
	if stream.Own, err = w.own(stream); err != nil {
		return true, err
	}
	places := slices.Clone(stream.Own)
	for _, c := range stream.Calls {
		places = append(places, c.Seqs...)
	}
	var entries []*core.PruneEntry
	bytes := w.bytes
	for _, seq := range places {
		e, err := w.entry(seq)
		if err != nil || e == nil {
			return true, err // the rows name what the log has not: that is for log verify to tell
		}
		if !slices.Contains(entries, e) {
			bytes += len(e.Data)
			entries = append(entries, e)
		}
	}
	if n := len(stream.Calls); n > 1 && bytes > 2*w.mostBytes { // wide entries: fewer of its calls at once
		stream.Whole, stream.Calls = false, stream.Calls[:n/2]
		return w.add(stream)
	}
	for _, e := range entries {
		w.goes(e)
	}
	w.streams = append(w.streams, stream.PruneStream)
	w.calls += len(stream.Calls)
	return stream.Whole, nil
}

// stream returns a message with its calls; ok is false while something is under way, or too young, or nothing is known of it.
func (w *pruneWalk) stream(company, id string) (s restingStream, ok bool, err error) {
	if w.busy(company, id) {
		return s, false, nil
	}
	erased, young, err := w.erased(company, id)
	if err != nil || young {
		return s, false, err
	}
	s = restingStream{PruneStream: core.PruneStream{Company: company, Message: id, Whole: true}, erased: erased}
	for c, err := range w.callsOf(company, id) {
		if err != nil || c.State.Open() || c.UpdatedAt.After(w.before) || c.seqs[len(c.seqs)-1] > w.below {
			return s, false, err
		}
		s.HasData = c.hasData
		s.Calls = append(s.Calls, core.PruneCall{ID: c.ID, Seqs: c.seqs})
	}
	if len(s.Calls) > 0 {
		return s, true, nil
	}
	k := core.UnmatchedKey(company, id)
	value, err := optional(w.r.Get(k))
	if err != nil || value == nil {
		return s, len(erased) > 0, err // nothing but its erasure is left
	}
	u, err := core.ParseUnmatched(ports.Pair{Key: k, Value: value})
	s.HasData = u.HasData
	return s, !u.CreatedAt.After(w.before), err
}

// busy tells whether a job works on the message.
func (w *pruneWalk) busy(company, id string) bool {
	return slices.ContainsFunc(w.jobs, func(j core.Job) bool {
		return j.Plan != nil && j.Plan.Message == id || j.Erase != nil && j.Erase.Company == company
	})
}

// own returns the places of the message's own events that go with the stream.
func (w *pruneWalk) own(s restingStream) ([]uint64, error) {
	recorded, err := w.published(s.PruneStream)
	if err != nil {
		return nil, err
	}
	own, unmatched := core.OwnPlaces(recorded, s.Message)
	if !s.Whole {
		own = nil
		if unmatched > 0 {
			own = []uint64{unmatched}
		}
		return own, nil
	}
	return append(own, s.erased...), nil
}

// erased returns the places of the events that erased a message; young says that they may not go yet.
func (w *pruneWalk) erased(company, id string) (by []uint64, young bool, err error) {
	k := core.ErasedKey(company, id)
	switch none, err := w.unerased.none(w.r, company, id); {
	case err != nil:
		return nil, false, err
	case none:
		w.r.lacks(k)
		return nil, false, nil
	}
	value, err := w.r.Get(k)
	if err != nil {
		return nil, false, err
	}
	by, at, err := core.ErasedBy(ports.Pair{Key: k, Value: value})
	return by, at.After(w.before) || slices.ContainsFunc(by, func(seq uint64) bool { return seq > w.below }), err
}

// published returns the events of the entry in which the message was published: mostly the one that the walk is at, or that of its first call.
func (w *pruneWalk) published(s core.PruneStream) ([]core.Recorded, error) {
	if publishes(w.at, s.Message) {
		return w.at, nil
	}
	if len(s.Calls) > 0 {
		e, err := w.entry(s.Calls[0].Seqs[0])
		if err != nil {
			return nil, err
		}
		if e != nil && publishes(e.Events, s.Message) {
			return e.Events, nil
		}
	}
	for recorded, err := range entriesOf(w.r, w.codec, core.PrefixMessage, s.Message) {
		if err != nil || publishes(recorded, s.Message) {
			return recorded, err
		}
	}
	return nil, nil
}

func publishes(entry []core.Recorded, message string) bool {
	return slices.ContainsFunc(entry, func(r core.Recorded) bool {
		p, ok := r.Event.(core.MessagePublished)
		return ok && p.Message == message
	})
}
