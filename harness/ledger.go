package harness

import (
	"hash/maphash"
	"time"
)

// A ledger counts the deliveries of one path. The receiver's mutex guards it.
//
// Ids are held as 128-bit keyed hashes, so that a million of them cost 50 to 90 MB and the garbage collector has nothing to
// follow in them; two ids fall together with a probability of 1e-26 for a million.
type ledger struct {
	seen                         map[idKey]tally
	deliveries                   int
	unnamed, retries, duplicates int
	verified, bad                int
	first, last                  time.Time
	duplicateIDs                 []string
	badDeliveries                []Delivery
}

func newLedger() ledger { return ledger{seen: map[idKey]tally{}} }

// named is how many duplicates and bad deliveries a ledger can name; beyond it they are only counted.
const named = 1000

type idKey [2]uint64

// A tally is what is known of one message at one path.
type tally struct {
	n        uint32 // deliveries
	place    uint32 // how many other messages had come before its first one
	answered bool   // with a 2xx
}

type hasher [2]maphash.Seed

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hasher) key(id string) idKey {
	return idKey{maphash.String(h[0], id), maphash.String(h[1], id)}
}

// add counts a delivery and fills in what the ledger knows of earlier ones. The tally is to be given to settle, if there is an ID.
func (l *ledger) add(d *Delivery, key idKey) tally {
	l.deliveries++
	if l.first.IsZero() || d.At.Before(l.first) {
		l.first = d.At
	}
	if d.At.After(l.last) {
		l.last = d.At
	}
	l.addChecks(d)
	if d.ID == "" {
		l.unnamed++
		return tally{}
	}
	t := l.seen[key]
	d.Repeat, d.Duplicate = int(t.n), t.answered
	switch {
	case t.answered:
		l.duplicates++
		if len(l.duplicateIDs) < named {
			l.duplicateIDs = append(l.duplicateIDs, d.ID)
		}
	case t.n > 0:
		l.retries++
	default:
		t.place = uint32(len(l.seen))
	}
	t.n++
	return t
}

// settle keeps the tally of a delivery, and notes if it is answered with a 2xx at once.
func (l *ledger) settle(key idKey, t tally, answered bool) {
	t.answered = t.answered || answered
	l.seen[key] = t
}

func (l *ledger) addChecks(d *Delivery) {
	switch {
	case d.Bad():
		l.bad++
		if len(l.badDeliveries) < named {
			slim := *d
			slim.Body, slim.Header = nil, nil
			l.badDeliveries = append(l.badDeliveries, slim)
		}
	case d.Verified():
		l.verified++
	}
}

// answered notes a 2xx that went out after a wait.
func (l *ledger) answered(key idKey) {
	if t, ok := l.seen[key]; ok {
		t.answered = true
		l.seen[key] = t
	}
}
