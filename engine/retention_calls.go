package engine

import (
	"iter"

	"posthorn/engine/core"
	"posthorn/ports"
)

// callsOf yields the calls of a message, oldest first. Those that the entry at hand requests, mostly all, are read by their keys: a search costs
// many times more, and retention makes one for each message of the log.
func (w *pruneWalk) callsOf(company, message string) iter.Seq2[keptCall, error] {
	if !publishes(w.at, message) {
		return callsOfMessage(w.r, company, message)
	}
	return func(yield func(keptCall, error) bool) {
		for _, rec := range w.at {
			requested, ok := rec.Event.(core.CallRequested)
			if !ok || requested.Message != message || requested.Again() {
				continue
			}
			w.r.lacks(core.AgainKey(company, message, requested.Call))
			c, found, err := readCall(w.r, company, requested.Call)
			if (found || err != nil) && !yield(c, err) {
				return
			}
		}
		none, err := w.later.none(w.r, company, message)
		if err != nil {
			yield(keptCall{}, err)
		}
		if none || err != nil {
			return
		}
		for c, err := range laterCallsOfMessage(w.r, company, message) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// An absence remembers, by company, a stretch of messages none of which has a row of one kind: one search tells of many messages, for they
// come in the order of their ids. behind covers the rows of a message and of those with greater ids.
type absence struct {
	behind func(company, message string) (from, to []byte)
	known  map[string]stretch
}

func absenceOf(behind func(company, message string) (from, to []byte)) absence {
	return absence{behind: behind, known: map[string]stretch{}}
}

// A stretch begins with a message and ends before the next that has such a row; without one it has no end.
type stretch struct{ from, end string }

func (s stretch) holds(message string) bool {
	return s.from != "" && s.from <= message && (s.end == "" || message < s.end)
}

// none tells whether a message has no such row.
func (a absence) none(r ports.Reader, company, message string) (bool, error) {
	if a.known[company].holds(message) {
		return true, nil
	}
	next, err := a.next(r, company, message)
	if err != nil || next == message {
		return false, err
	}
	a.known[company] = stretch{from: message, end: next}
	return true, nil
}

// next returns the first message of a company, from one on, that has such a row; empty if none has.
func (a absence) next(r ports.Reader, company, message string) (string, error) {
	from, to := a.behind(company, message)
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return "", err
		}
		return core.MessageOf(pair.Key)
	}
	return "", nil
}
