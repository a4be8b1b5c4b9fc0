package harness

import (
	"net/http"
	"slices"
	"time"
)

// A Fault is a way not to answer well.
type Fault string

// The faults.
const (
	Hang     Fault = "hang"     // nothing is answered; the connection stays open until the sender or the receiver ends it
	Reset    Fault = "reset"    // the connection is reset (TCP RST, or HTTP/2 RST_STREAM) once the request has been read
	Truncate Fault = "truncate" // the connection closes in the middle of the body, of which Content-Length told the whole
	Drip     Fault = "drip"     // the body comes byte by byte with a pause before each; without a Body it goes on without end
	Endless  Fault = "endless"  // the body goes on, as fast as it is taken, until the sender or the receiver ends the connection
)

// A Reply is one scripted answer. The zero value answers 204 at once, one time.
type Reply struct {
	// When chooses the deliveries that are answered so; nil means all. It is called with the receiver's lock held: it must be
	// quick and must not call the receiver. All of the delivery is known to it but the Status. To let each first attempt fail:
	// Reply{When: func(d Delivery) bool { return d.Repeat == 0 }, Status: 500, Keep: true}.
	When func(Delivery) bool
	// Times is how many deliveries are answered so; 0 means 1.
	Times int
	// Keep answers so whenever no other reply is waiting; the kept one that was added last goes first. Times has no meaning then.
	Keep bool

	// Delay is waited before the answer, or the fault, begins; the sender going away or Close ends it.
	Delay time.Duration
	// Hold, when set, keeps the answer back until it is closed (or has a value, which lets one answer go). Close ends it too.
	Hold <-chan struct{}

	// Status is what to answer; 0 means 204, or 307 if there is a Location, or 200 if there is a body.
	Status int
	// Header holds headers of the answer; a name stands once.
	Header map[string]string
	// Body is the body of the answer.
	Body string
	// Location is where a redirect leads.
	Location string
	// RetryAfter, when above 0, is sent as a Retry-After header in whole seconds, rounded up.
	RetryAfter time.Duration

	// Fault is what goes wrong with the answer.
	Fault Fault
	// Pause is how long Drip waits before each byte; 0 means 100 ms.
	Pause time.Duration
	// Answer, when set, answers in place of all from Status on; the request's body can be read once more. What it answers is not
	// in Delivery.Status.
	Answer func(w http.ResponseWriter, r *http.Request, d Delivery)
}

const defaultPause = 100 * time.Millisecond

func (p *Reply) status() int {
	switch {
	case p.Fault == Hang || p.Fault == Reset || p.Answer != nil:
		return 0
	case p.Status != 0:
		return p.Status
	case p.Location != "":
		return http.StatusTemporaryRedirect
	case p.Body != "" || p.Fault != "":
		return http.StatusOK
	}
	return http.StatusNoContent
}

// confirms says that the sender will know from the answer, once it has it whole, that it need not send again.
func (p *Reply) confirms() bool {
	s := p.status()
	return s >= 200 && s < 300 && (p.Fault == "" || p.Fault == Drip && p.Body != "")
}

// waits says that time passes before the answer is there, in which the sender may give up.
func (p *Reply) waits() bool { return p.Delay > 0 || p.Hold != nil || p.Fault == Drip }

// replies are the answers to come of one scope. The receiver's mutex guards them.
type replies struct {
	queue []*Reply // those to be used Times times
	kept  []*Reply // the newest last; only the oldest may be without When, for it hides all before it
}

func (s *replies) add(all []Reply) {
	for _, p := range all {
		p.Times = max(p.Times, 1)
		switch {
		case p.Keep && p.When == nil:
			s.kept = []*Reply{&p}
		case p.Keep:
			s.kept = append(s.kept, &p)
		default:
			s.queue = append(s.queue, &p)
		}
	}
}

// next picks the reply for a delivery; nil if none is scripted for it.
func (s *replies) next(d *Delivery) *Reply {
	for i, p := range s.queue {
		if p.When != nil && !p.When(*d) {
			continue
		}
		if p.Times--; p.Times == 0 {
			s.drop(i)
		}
		return p
	}
	for _, p := range slices.Backward(s.kept) {
		if p.When == nil || p.When(*d) {
			return p
		}
	}
	return nil
}

// drop takes the i-th out of the queue. The first is the usual one, and costs nothing however long the script.
func (s *replies) drop(i int) {
	if i == 0 {
		s.queue[0] = nil
		s.queue = s.queue[1:]
		return
	}
	s.queue = slices.Delete(s.queue, i, i+1)
}
