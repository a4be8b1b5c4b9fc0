package core

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/ports"
)

// A PruneStep is what one step of retention takes out of the log, as it was found in a snapshot.
type PruneStep struct {
	// Before is the time since which nothing may have happened to a call that is pruned.
	Before time.Time
	// Streams are messages with calls to prune.
	Streams []PruneStream
	// Settled are further events whose effects are gone: what an expired key, a finished job or an earlier step has left.
	Settled []uint64
	// Entries are those that hold all these events, in the order of the log.
	Entries []PruneEntry
}

// A PruneEntry is an entry as it is stored, and its events.
type PruneEntry struct {
	ports.Entry

	Events []Recorded
}

// Has tells whether the entry still holds an event. None is in nil.
func (e *PruneEntry) Has(seq uint64) bool {
	return e != nil && slices.ContainsFunc(e.Events, func(r Recorded) bool { return r.Seq == seq })
}

// A PruneStream is a message and the calls of it that are pruned. Whole says that these are all there are, so that the message goes too.
type PruneStream struct {
	Company, Message string
	HasData, Whole   bool
	// Own are the places of the message's own events that go with them.
	Own   []uint64
	Calls []PruneCall
}

// A PruneCall is a call with the places of all its events.
type PruneCall struct {
	ID   string
	Seqs []uint64
}

// prunedRow is the stored form of how many events the log no longer has.
type prunedRow struct {
	Gone uint64 `cbor:"172,keyasint,omitempty"`
}

// Prune forgets streams whose time is over: their rows, their vault items, and their events, which leave the log in the same commit. A
// stream of which something has happened since it was found, or that touched names, stays. The decision is empty if nothing is left to do.
func Prune(s *State, c *Codec, step PruneStep, touched func(message string) bool) (Decision, error) {
	p := pruning{state: s, gone: map[uint64]Event{}, companies: map[string]*StreamsPruned{}}
	again := s.requestedAgain()
	for _, stream := range step.Streams {
		ended, err := s.ended(stream, step.Before)
		if err != nil {
			return Decision{}, err
		}
		if ended && !again[stream.Message] && !touched(stream.Message) {
			p.take(stream)
		}
	}
	for _, seq := range step.Settled {
		p.gone[seq] = nil
	}
	if len(p.gone) == 0 {
		return Decision{}, nil
	}
	for _, entry := range step.Entries {
		if err := p.rewrite(c, entry); err != nil {
			return Decision{}, err
		}
	}
	row, err := load[prunedRow](s, PrunedKey())
	if err != nil {
		return Decision{}, err
	}
	if row != nil {
		p.dropped += row.Gone
	}
	for _, company := range slices.Sorted(maps.Keys(p.companies)) {
		p.out.tell(*p.companies[company])
	}
	p.out.tell(LogPruned{Gone: p.dropped})
	return p.out, nil
}

// ended tells whether the stream stands as it was found, its calls ended and at rest since a time.
func (s *State) ended(stream PruneStream, before time.Time) (bool, error) {
	for _, c := range stream.Calls {
		row, err := load[callRow](s, CallKey(stream.Company, c.ID))
		if err != nil || row == nil || row.State.Open() || row.UpdatedAt.After(before) || !slices.Equal(row.Seqs, c.Seqs) {
			return false, err
		}
	}
	if !stream.Whole {
		return true, nil
	}
	erased, err := load[erasedRow](s, ErasedKey(stream.Company, stream.Message))
	if err != nil || erased == nil {
		return err == nil, err
	}
	known := func(seq uint64) bool { return slices.Contains(stream.Own, seq) }
	return !slices.ContainsFunc(erased.Seqs, func(seq uint64) bool { return !known(seq) }), nil
}

// requestedAgain are the messages of which the batch has made further calls: retries, replays, the rest of a plan. The engine decides a step in a
// batch of its own, where there are none; Prune does not rely on that.
func (s *State) requestedAgain() map[string]bool {
	out := map[string]bool{}
	for k, c := range s.cells {
		if rest, ok := strings.CutPrefix(k, againPrefix); ok && c.row != nil {
			_, message, _ := strings.Cut(rest, "\x00")
			message, _, _ = strings.Cut(message, "\x00")
			out[message] = true
		}
	}
	return out
}

const againPrefix = rowPrefix + "\x00again\x00"

// pruning is a decision under way.
type pruning struct {
	state   *State
	out     Decision
	gone    map[uint64]Event // by place; what stands there instead, nil for nothing
	dropped uint64

	companies map[string]*StreamsPruned
}

// take adds a stream to what goes.
func (p *pruning) take(stream PruneStream) {
	e := p.companies[stream.Company]
	if e == nil {
		e = &StreamsPruned{Company: stream.Company}
		p.companies[stream.Company] = e
	}
	for _, c := range stream.Calls {
		e.Calls = append(e.Calls, c.ID)
		for _, seq := range c.Seqs {
			p.gone[seq] = nil
		}
	}
	for _, seq := range stream.Own {
		p.gone[seq] = nil
	}
	if !stream.Whole {
		return
	}
	e.Messages = append(e.Messages, stream.Message)
	if stream.HasData {
		p.out.Forget = append(p.out.Forget, DataKey(stream.Message))
	}
}

// rewrite takes what is gone out of an entry, and what its attempts have kept out of the vault.
func (p *pruning) rewrite(codec *Codec, entry PruneEntry) (err error) {
	removed, noted := 0, 0
	for _, r := range entry.Events {
		if _, ok := p.gone[r.Seq]; !ok {
			continue
		}
		removed++
		attempted, ok := r.Event.(CallAttempted)
		if !ok {
			continue
		}
		if attempted.Response != nil {
			p.out.Forget = append(p.out.Forget, ResponseKey(attempted.Call, attempted.Attempt, attempted.Lease, attempted.Epoch))
		}
		note, err := p.health(r.Seq, attempted)
		if err != nil {
			return err
		}
		if note != nil {
			p.gone[r.Seq] = *note
			noted++
		}
	}
	p.dropped += uint64(removed - noted)
	left := ports.Entry{First: entry.First, Last: entry.Last}
	switch {
	case removed == 0:
		return nil
	case removed < len(entry.Events) || noted > 0:
		if left, err = codec.without(entry.Entry, p.gone); err != nil {
			return err
		}
	}
	p.out.Rewrites = append(p.out.Rewrites, left)
	return nil
}

// health is what an attempt says of its webhook, nil if something newer does.
func (p *pruning) health(seq uint64, e CallAttempted) (*HealthNoted, error) {
	if e.Failing == nil && !e.Recovered {
		return nil, nil
	}
	call, err := p.state.call(e.Company, e.Call)
	if err != nil {
		return nil, err
	}
	w, err := load[webhookRow](p.state, WebhookKey(e.Company, call.Webhook))
	if err != nil || w == nil || w.NotedBy != seq {
		return nil, err
	}
	return &HealthNoted{Webhook: call.Webhook, Company: e.Company, Failing: e.Failing, Recovered: e.Recovered}, nil
}

func (s *State) foldRetention(r Recorded) error {
	switch e := r.Event.(type) {
	case StreamsPruned:
		return s.foldPruned(e)
	case LogPruned:
		return set(s, PrunedKey(), func(row *prunedRow) { row.Gone = e.Gone })
	case HealthNoted:
		return s.foldHealth(r, e)
	}
	return nil
}

// foldPruned removes the rows of what was pruned. Folded from a log that lacks their events, there are none.
func (s *State) foldPruned(e StreamsPruned) error {
	called := map[string]bool{} // a message that has been called is not unmatched
	for _, id := range e.Calls {
		row, err := load[callRow](s, CallKey(e.Company, id))
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		if row.State.Open() {
			return damaged("pruned call is open", id)
		}
		if err := s.countReplay(e.Company, row.Replay, func(p *ReplayProgress) { *p.in(row.State)-- }); err != nil {
			return err
		}
		if row.State != Succeeded {
			if err := s.drop(UndeliveredKey(e.Company, id)); err != nil {
				return err
			}
		}
		if err := s.drop(AgainKey(e.Company, row.Message, id)); err != nil {
			return err
		}
		s.remove(CallKey(e.Company, id))
		called[row.Message] = true
	}
	for _, m := range e.Messages {
		if !called[m] {
			if err := s.drop(UnmatchedKey(e.Company, m)); err != nil {
				return err
			}
		}
		if err := s.drop(ErasedKey(e.Company, m)); err != nil {
			return err
		}
	}
	return nil
}

// OwnPlaces are the places of a message's own events in its entry, which go when no call of it is left. A row of an unmatched message is gone
// as soon as it has a call, so unmatched, the place of that event, may go before; it is 0 where there is none.
func OwnPlaces(entry []Recorded, message string) (own []uint64, unmatched uint64) {
	for _, r := range entry {
		switch e := r.Event.(type) {
		case MessagePublished:
			if e.Message == message {
				own = append(own, r.Seq)
			}
		case CallsPlanned:
			if e.Message == message {
				own = append(own, r.Seq)
			}
		case MessageUnmatched:
			if e.Message == message {
				own, unmatched = append(own, r.Seq), r.Seq
			}
		}
	}
	return own, unmatched
}

// Settled returns the places of an event that says nothing any more, and of those that go with it; none for any other. read gives rows,
// stands tells whether the log still has an event. The events of what is pruned by its stream are not among them.
func Settled(read func(key []byte) ([]byte, error), r Recorded, stands func(seq uint64) (bool, error)) ([]uint64, error) {
	switch e := r.Event.(type) {
	case StreamsPruned, LogPruned: // their streams are gone, and a newer step says how many
		return []uint64{r.Seq}, nil
	case KeysExpired:
		out := []uint64{r.Seq}
		for _, k := range e.Keys {
			out = append(out, k.Seqs...)
		}
		return out, nil
	case HealthNoted:
		row, err := load[webhookRow](NewState(read), WebhookKey(e.Company, e.Webhook))
		if err != nil || row == nil || row.NotedBy == r.Seq {
			return nil, err
		}
		return []uint64{r.Seq}, nil
	case JobEnded:
		begun, err := e.begunBy()
		if err != nil {
			return nil, err
		}
		if there, err := stands(begun); err != nil || there {
			return nil, err
		}
		return []uint64{r.Seq}, nil
	}
	return nil, nil
}

// begunBy is the event that began the job, which its name tells.
func (e JobEnded) begunBy() (uint64, error) {
	digits, _, _ := strings.Cut(e.Job, "-")
	seq, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, damaged("job", e.Job)
	}
	return seq, nil
}

// ErasedBy reads the row that says that a message was erased: by which event, and when.
func ErasedBy(pair ports.Pair) (seqs []uint64, at time.Time, err error) {
	row, err := parse[erasedRow](pair)
	return row.Seqs, row.At.Time(), err
}

// PrunedKey is the row of how many events the log no longer has.
func PrunedKey() []byte { return key(rowPrefix, "pruned") }

// ParsePruned reads it.
func ParsePruned(pair ports.Pair) (gone uint64, err error) {
	row, err := parse[prunedRow](pair)
	return row.Gone, err
}
