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

// A keptCall is a call's row, as far as a replay needs it.
type keptCall struct {
	Call

	hasData bool
}

func parseCall(pair ports.Pair) (c keptCall, err error) {
	c.Call, c.hasData, _, err = core.ParseCall(pair)
	return c, err
}

// callsOf yields the calls of a message, oldest first: those of its own entry, which lie behind its id, and then the later ones.
func (s *replayScan) callsOf(message string) iter.Seq2[keptCall, error] {
	return func(yield func(keptCall, error) bool) {
		_, to := core.CallRange(s.replay.Company)
		from := core.CallKey(s.replay.Company, core.PrefixCall+strings.TrimPrefix(message, core.PrefixMessage))
		for pair, err := range s.r.Scan(from, to, false) {
			if err != nil {
				yield(keptCall{}, err)
				return
			}
			c, err := parseCall(pair)
			if err == nil && c.Message != message {
				break
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
		for c, err := range s.later(message) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// later yields the calls of a message that were not requested in its own entry, oldest first.
func (s *replayScan) later(message string) iter.Seq2[keptCall, error] {
	return func(yield func(keptCall, error) bool) {
		from, to := core.AgainRange(s.replay.Company, message)
		for pair, err := range s.r.Scan(from, to, false) {
			if err != nil {
				yield(keptCall{}, err)
				return
			}
			c, found, err := s.again(pair.Key)
			if err == nil && !found {
				continue
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// again returns the call that a key of AgainRange names; found is false for one that was pruned.
func (s *replayScan) again(key []byte) (c keptCall, found bool, err error) {
	company, _, id, err := core.ParseAgain(key)
	if err != nil {
		return keptCall{}, false, err
	}
	k := core.CallKey(company, id)
	value, err := optional(s.r.Get(k))
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
