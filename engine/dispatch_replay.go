package engine

import (
	"time"

	"posthorn/ports"
)

// maxReplays bounds the envelopes that are remembered: with one task in each, what 6,000 calls a second bring within startWithin.
const maxReplays = 1 << 16

// A nonce begins each sealed body, and is drawn anew for each. Nobody without the key can change it, so it tells a copy from an original.
type nonce [12]byte

// replays remembers envelopes for as long as their tasks may be begun. When there are too many it forgets the oldest.
type replays struct {
	known map[nonce]struct{}
	queue []remembered // in the order in which they came
}

type remembered struct {
	nonce nonce
	until time.Time
}

// add remembers an envelope, or says that it is known.
func (r *replays) add(n nonce, now, until time.Time) bool {
	for len(r.queue) > 0 && (len(r.queue) >= maxReplays || now.After(r.queue[0].until)) {
		delete(r.known, r.queue[0].nonce)
		r.queue = r.queue[1:]
	}
	if _, ok := r.known[n]; ok {
		return false
	}
	if r.known == nil {
		r.known = map[nonce]struct{}{}
	}
	r.known[n] = struct{}{}
	r.queue = append(r.queue, remembered{n, until})
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
	return d.seen.add(nonce(e.Body), d.o.Wall(), until)
}

// forget undoes remember, for an envelope that was not handled whole.
func (d *dispatcher) forget(e ports.Envelope) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen.known, nonce(e.Body))
}
