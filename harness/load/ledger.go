package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"posthorn/harness"
)

// A ledger notes what became of each message: a state for the message, a slot for each webhook that is to hear of it. All of it is
// allocated at the start. Its methods may be called from many goroutines at once.
type ledger struct {
	run       string
	pace      Pace
	companies int
	fan       int  // webhooks that hear of one message
	routed    bool // a company's webhooks have paths of their own
	faults    Faults
	seed      uint64
	attempts  int // of a call, 0 if not known

	mu      sync.Mutex
	start   time.Time
	signed  bool    // what arrives must bear a signature, for its key is known
	states  []state // of messages
	slots   []slot  // of message n: fan of them, from n*fan
	struck  []uint8 // by which fault a message is struck
	aliases map[string]int
	paths   map[string]int // of webhooks, numbered company by company
	hooks   map[string]int // the same by the sender's ids
	newest  []int          // the newest message that arrived, by webhook

	open                            int // open counts the slots that are still to come to their end
	lastAccepted, lastArrived       time.Duration
	deliveries, repeats, outOfOrder int
	unchecked                       int
	accept, arrival, late           *latencies
	classes                         []*latencies // by fault; the last is without
	duplicated, bad, strange        Named
	failures                        Named
	firstFailure                    error
	early                           map[string]*[]harness.Delivery // deliveries whose ids may yet be aliases

	counts counts
	zero   chan struct{} // holds one signal: open has come to 0
}

// counts are what a sample needs.
type counts struct{ accepted, refused, expected, arrived int }

type state uint8

const (
	unsent state = iota
	accepted
	refused // or unknown
)

type slot struct {
	tries uint16
	flags uint8
}

// The flags of a slot.
const (
	confirmed  uint8 = 1 << iota // answered with a 2xx
	duplicated                   // came again after that
	failing                      // a check failed
	told                         // the history has it
	toldRight                    // with the state that it should have
)

func newLedger(o Options, run string) *ledger {
	total := o.Pace.Total()
	l := &ledger{
		run: run, pace: o.Pace, companies: o.Companies, fan: 1, routed: o.Target.Register != nil, faults: o.Faults, seed: o.Seed,
		attempts: o.attempts(), states: make([]state, total), aliases: map[string]int{}, paths: map[string]int{}, hooks: map[string]int{},
		newest: make([]int, o.Companies*o.Webhooks), accept: newLatencies(), arrival: newLatencies(), late: newLatencies(),
		early: map[string]*[]harness.Delivery{}, zero: make(chan struct{}, 1),
	}
	if l.routed {
		l.fan = o.Webhooks
	}
	l.signed = o.Target.HMAC.Header != ""
	l.slots, l.struck = make([]slot, total*l.fan), make([]uint8, total)
	for n := range l.struck {
		l.struck[n] = uint8(l.faultOf(uint64(n)))
	}
	for range len(o.Faults) + 1 {
		l.classes = append(l.classes, newLatencies())
	}
	return l
}

// id is the one that message n is given.
func (l *ledger) id(n int) string { return fmt.Sprintf("%s-%07d", l.run, n) }

// number finds the message of an id. The caller holds the lock.
func (l *ledger) number(id string) (n int, ok bool) {
	if n, ok = l.own(id); ok {
		return n, true
	}
	n, ok = l.aliases[id]
	return n, ok
}

// own reads an id that this run has given.
func (l *ledger) own(id string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(id, l.run+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 0 && n < len(l.states)
}

// fault is the index of what strikes a delivery's message, by its number, or by its text if the sender has given it.
func (l *ledger) fault(id string) int {
	if n, ok := l.own(id); ok {
		return l.faultOf(uint64(n))
	}
	var key uint64
	for _, b := range []byte(id) {
		key = mix(key ^ uint64(b))
	}
	return l.faultOf(key)
}

// faultOf is len(faults) for none.
func (l *ledger) faultOf(key uint64) int {
	if f := l.faults.pick(l.seed, key); f >= 0 {
		return f
	}
	return len(l.faults)
}

// begin says when the first message is due.
func (l *ledger) begin(start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start = start
}

// triggered notes what became of a trigger that was due, made and answered at those times.
func (l *ledger) triggered(n int, due, made, answered time.Time, id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late.add(made.Sub(due))
	if err != nil {
		l.states[n] = refused
		l.counts.refused++
		l.failures.add(l.id(n))
		if l.firstFailure == nil {
			l.firstFailure = err
		}
		return
	}
	l.states[n] = accepted
	l.counts.accepted++
	l.counts.expected += l.fan
	l.accept.add(answered.Sub(due))
	l.lastAccepted = max(l.lastAccepted, answered.Sub(l.start))
	if id != "" && id != l.id(n) {
		l.alias(id, n)
	}
	for i := range l.fan {
		if !l.ended(n, l.slots[n*l.fan+i]) {
			l.open++
		}
	}
}

// alias notes the sender's own id for a message, and takes up what came under it already. The caller holds the lock.
func (l *ledger) alias(id string, n int) {
	l.aliases[id] = n
	came := l.early[id]
	if came == nil {
		return
	}
	delete(l.early, id)
	for _, d := range *came {
		l.take(n, d)
	}
}

// ended says that nothing more has to come: the last answer was as it should be, or a failing one after so many attempts as the call
// has; where their number is not known, after the first. The caller holds the lock.
func (l *ledger) ended(n int, s slot) bool {
	if s.flags&confirmed != 0 {
		return true
	}
	return l.lastly(n) && s.tries > 0 && int(s.tries) >= l.attempts
}

// lastly says that the message is struck by every attempt that there is, so that its calls should fail.
func (l *ledger) lastly(n int) bool {
	f := int(l.struck[n])
	if f == len(l.faults) {
		return false
	}
	return l.faults[f].lastly() || l.attempts > 0 && l.faults[f].fails() && l.faults[f].Attempts >= l.attempts
}

// name tells a slot to a person: the message's id, and its webhook where there is more than one for it.
func (l *ledger) name(n, hook int) string {
	if l.fan == 1 {
		return l.id(n)
	}
	return fmt.Sprintf("%s at /%d", l.id(n), hook)
}

// drained returns nil when nothing is open, which must not grow any more. It returns errStalled when in so long as patience not one more
// message has come to its end, and tells each time that one has.
func (l *ledger) drained(ctx context.Context, patience time.Duration, moving func()) error {
	look := time.NewTicker(max(patience/32, time.Millisecond))
	defer look.Stop()
	for least, since := math.MaxInt, time.Now(); ; {
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		switch {
		case open == 0:
			return nil
		case open < least:
			least, since = open, time.Now()
			moving()
		case time.Since(since) >= patience:
			return errStalled
		}
		select {
		case <-l.zero: // or one left over from before, so look again
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errStalled = errors.New("nothing more comes to its end")

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is there already
	}
}
