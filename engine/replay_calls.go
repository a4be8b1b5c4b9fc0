package engine

import (
	"iter"
	"strings"

	"posthorn/engine/core"
	"posthorn/ports"
)

// newest returns the last call of a message for each webhook that had one; one that succeeded, or is open, counts as the last.
func (s *replayScan) newest(message string) (map[string]Call, error) {
	out := map[string]Call{}
	for c, err := range s.callsOf(message) {
		if err != nil {
			return nil, err
		}
		if had := out[c.Webhook]; had.State != core.Succeeded && !had.State.Open() {
			out[c.Webhook] = c.Call
		}
	}
	return out, nil
}

// callsOf yields the calls of a message of the replay's company.
func (s *replayScan) callsOf(message string) iter.Seq2[keptCall, error] {
	return callsOfMessage(s.r, s.replay.Company, message)
}

// A keptCall is a call's row, with whether its message has data, and the places of its events.
type keptCall struct {
	Call

	hasData bool
	seqs    []uint64
}

func parseCall(pair ports.Pair) (c keptCall, err error) {
	c.Call, c.hasData, c.seqs, err = core.ParseCall(pair)
	return c, err
}

// callsOfMessage yields the calls of a message, oldest first: those of its own entry, which lie behind its id, and then the later ones.
func callsOfMessage(r ports.Reader, company, message string) iter.Seq2[keptCall, error] {
	return func(yield func(keptCall, error) bool) {
		_, to := core.CallRange(company)
		from := core.CallKey(company, core.PrefixCall+strings.TrimPrefix(message, core.PrefixMessage))
		last := ""
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				yield(keptCall{}, err)
				return
			}
			c, err := parseCall(pair)
			if err == nil && c.Message != message {
				break
			}
			last = c.ID
			if !yield(c, err) || err != nil {
				return
			}
		}
		for c, err := range laterCallsOfMessage(r, company, message) {
			if err == nil && c.ID <= last {
				continue // with no other message's between, later ones lie behind the id too
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// laterCallsOfMessage yields the calls of a message that were not requested in its own entry, oldest first.
func laterCallsOfMessage(r ports.Reader, company, message string) iter.Seq2[keptCall, error] {
	return func(yield func(keptCall, error) bool) {
		from, to := core.AgainRange(company, message)
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				yield(keptCall{}, err)
				return
			}
			c, found, err := callAgain(r, pair.Key)
			if err == nil && !found {
				continue
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// callAgain returns the call that a key of AgainRange names; found is false for one that was pruned.
func callAgain(r ports.Reader, key []byte) (c keptCall, found bool, err error) {
	company, _, id, err := core.ParseAgain(key)
	if err != nil {
		return keptCall{}, false, err
	}
	return readCall(r, company, id)
}

// readCall returns a call's row; found is false where there is none.
func readCall(r ports.Reader, company, id string) (c keptCall, found bool, err error) {
	k := core.CallKey(company, id)
	value, err := optional(r.Get(k))
	if err != nil || value == nil {
		return keptCall{}, false, err
	}
	c, err = parseCall(ports.Pair{Key: k, Value: value})
	return c, err == nil, err
}

// payload returns what a message tells; kept is false when a part of it is gone.
func (s *replayScan) payload(m core.MessageRef) (data, body []byte, kept bool, err error) {
	if m.HasData {
		if data, err = optional(readVault(s.r, core.DataKey(m.Message), "")); err != nil || data == nil {
			return nil, nil, false, err
		}
	}
	if m.Resource != nil && m.Resource.Version > 0 {
		if body, err = optional(readVault(s.r, core.ResourceKey(*m.Resource), "")); err != nil || body == nil {
			return nil, nil, false, err
		}
	}
	return data, body, true, nil
}
