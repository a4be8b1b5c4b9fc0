package harness

import (
	"net/http"
	"time"
)

// A Fault is a way not to answer.
type Fault string

// The faults.
const (
	Hang    Fault = "hang"    // nothing is answered; the connection stays open until the sender or the receiver ends it
	Reset   Fault = "reset"   // the connection is reset (TCP RST) once the request has been read
	Endless Fault = "endless" // the body of the answer goes on until the sender or the receiver ends the connection
)

// A Reply is one scripted answer. The zero value answers 204 at once, one time.
type Reply struct {
	// Status is what to answer; 0 means 204, or 200 if there is a Body or the fault is Endless.
	Status int
	// Header holds headers of the answer; a name stands once.
	Header map[string]string
	// Body is the body of the answer.
	Body string
	// RetryAfter, when above 0, is sent as a Retry-After header in whole seconds, rounded up.
	RetryAfter time.Duration
	// Delay is waited before the answer, or the fault, begins; the sender going away or Close ends it.
	Delay time.Duration
	// Hold, when set, keeps the answer back until it is closed (or has a value, which lets one answer go). Close ends it too.
	Hold <-chan struct{}
	// Fault is done in place of an answer.
	Fault Fault
	// Times is how many deliveries are answered so; 0 means 1.
	Times int
	// Keep answers so whenever no other reply is waiting, until another kept reply takes its place. Times has no meaning then.
	Keep bool
}

func (p Reply) status() int {
	switch {
	case p.Fault == Hang || p.Fault == Reset:
		return 0
	case p.Status != 0:
		return p.Status
	case p.Body != "" || p.Fault == Endless:
		return http.StatusOK
	}
	return http.StatusNoContent
}

// confirms says that the sender will know from the answer that it need not send again.
func (p Reply) confirms() bool { s := p.status(); return s >= 200 && s < 300 }

// waits says that time passes before the answer, in which the sender may give up.
func (p Reply) waits() bool { return p.Delay > 0 || p.Hold != nil }

// replies are the answers to come of one scope.
type replies struct {
	queue []Reply
	kept  *Reply
}

func (s *replies) add(all []Reply) {
	for _, p := range all {
		if p.Keep {
			s.kept = &p
			continue
		}
		p.Times = max(p.Times, 1)
		s.queue = append(s.queue, p)
	}
}

func (s *replies) next() (Reply, bool) {
	if len(s.queue) == 0 {
		if s.kept == nil {
			return Reply{}, false
		}
		return *s.kept, true
	}
	p := s.queue[0]
	if s.queue[0].Times--; s.queue[0].Times == 0 {
		s.queue = s.queue[1:]
	}
	return p, true
}
