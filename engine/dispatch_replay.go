package engine

import (
	"time"

	"posthorn/ports"
)

// maxReplays bounds the envelopes that are remembered: with one task in each, what 6,000 calls a second bring within startWithin.
const maxReplays = 1 << 16

const nonceBytes = 12

// identity tells a copy of an envelope that was read from an original. A sealed body begins with a nonce that is drawn anew for each, and that
// nobody without the key can change; one that never leaves the process has its id.
func identity(e ports.Envelope) string {
	if e.Content != nil {
		return e.ID
	}
	return string(e.Body[:nonceBytes])
}

// replays remembers envelopes for as long as their tasks may be begun. When there are too many it forgets the oldest.
type replays struct {
	known map[string]struct{}
	queue []remembered // in the order in which they came
}

type remembered struct {
	identity string
	until    time.Time
}

// add remembers an envelope, or says that it is known.
func (r *replays) add(id string, now, until time.Time) bool {
	for len(r.queue) > 0 && (len(r.queue) >= maxReplays || now.After(r.queue[0].until)) {
		delete(r.known, r.queue[0].identity)
		r.queue = r.queue[1:]
	}
	if _, ok := r.known[id]; ok {
		return false
	}
	if r.known == nil {
		r.known = map[string]struct{}{}
	}
	r.known[id] = struct{}{}
	r.queue = append(r.queue, remembered{id, until})
	return true
}

// remember notes an envelope that was opened, and returns false for one that was handled already, or is being handled.
func (d *dispatcher) remember(e ports.Envelope, tasks []task) bool {
	until := time.Time{}
	for _, t := range tasks {
		if t.StartBy.After(until) {
			until = t.StartBy
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.add(identity(e), d.o.Wall(), until)
}

// forget undoes remember, for an envelope that was not handled whole.
func (d *dispatcher) forget(e ports.Envelope) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen.known, identity(e))
}
