package core

import (
	"strconv"
	"strings"

	"posthorn/ports"
)

// A Change names the event of one change that somebody asked for, or that was decided, of a webhook's settings, secrets or state. The row says
// all in its key. What comes and goes by itself, a breaker and how long it fails, is no change.
type Change struct {
	Company, Webhook string
	Seq              uint64
}

// Key of the change's row.
func (c Change) Key() []byte { return ChangeKey(c.Company, c.Webhook, c.Seq) }

func (Change) value() []byte { return []byte{} }

// ParseChange reads the row of a change back.
func ParseChange(k []byte) (Change, error) {
	parts := keyParts(k)
	const hexDigits = 16
	if len(parts) != 3 || len(parts[2]) != hexDigits || strings.ToLower(parts[2]) != parts[2] {
		return Change{}, damaged("row of a change", string(k))
	}
	seq, err := strconv.ParseUint(parts[2], 16, 64)
	if err != nil {
		return Change{}, damaged("row of a change", string(k))
	}
	return Change{Company: parts[0], Webhook: parts[1], Seq: seq}, nil
}

// A Past is a webhook or a call as some of its events left it: the same fold as that of the rows, over nothing else. It is for one goroutine.
type Past struct{ state *State }

// NewPast returns a past in which nothing has happened yet.
func NewPast() *Past {
	return &Past{NewState(func([]byte) ([]byte, error) { return nil, ports.ErrNotFound })}
}

// Fold lets one event happen; they come in the order of the log, all of one webhook or of one call.
func (p *Past) Fold(r Recorded) error { return p.state.Fold(r) }

// Webhook returns the webhook as it is by now; ok is false before it was registered and after it was deleted.
func (p *Past) Webhook(company, id string) (w Webhook, ok bool, err error) {
	return p.state.Webhook(company, id)
}

// Call returns the call as it is by now; ok is false before it was requested.
func (p *Past) Call(company, id string) (c Call, ok bool, err error) {
	row, err := load[callRow](p.state, CallKey(company, id))
	if err != nil || row == nil {
		return Call{}, false, err
	}
	return row.Call, true, nil
}
