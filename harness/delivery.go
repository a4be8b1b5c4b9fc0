package harness

import (
	"fmt"
	"net/http"
	"time"
)

// A Delivery is one request that came in whole.
type Delivery struct {
	// N numbers the deliveries of a receiver from 1, in the order in which they were recorded.
	N int
	// At is when the request's head had been read.
	At time.Time
	// Method, Path and Query are as sent, Path with its escapes undone; Query is without the question mark. Proto is the version of HTTP, such as HTTP/2.0.
	Method, Path, Query, Proto string
	// Header is the request's; it is shared by all copies of the delivery and must not be changed.
	Header http.Header
	// Body is nil if it was dropped. Like Header it is shared. Cut says that there was more than Options.MaxBody.
	Body []byte
	Cut  bool
	// ID is the message's, as Options.ID tells it; every attempt at a message has the same.
	ID string
	// Repeat counts the earlier deliveries of this ID at this path; 0 for the first and for one without an ID.
	Repeat int
	// Duplicate says that one of them had been answered with a 2xx, so that this one ought not to have been sent.
	Duplicate bool
	// Signature is the check of the Standard Webhooks headers, or of the header of an [HMAC]; Token that of the body's "token".
	Signature, Token Check
	// Status is what the script says to answer; 0 if the reply is to hang or to reset, or is left to Reply.Answer.
	Status int
}

// Verified says that at least one check was made, and that all that were made found the delivery valid.
func (d Delivery) Verified() bool {
	return !d.Bad() && (d.Signature.Result == Valid || d.Token.Result == Valid)
}

// Bad says that a check was made and did not find the delivery valid.
func (d Delivery) Bad() bool { return d.Signature.bad() || d.Token.bad() }

// String is one line for a person. It shows neither body nor headers.
func (d Delivery) String() string {
	s := fmt.Sprintf("#%d %s %s id %q", d.N, d.Method, d.Path, d.ID)
	if d.Signature.Result != Unchecked {
		s += ", signature " + d.Signature.String()
	}
	if d.Token.Result != Unchecked {
		s += ", token " + d.Token.String()
	}
	if !d.Verified() && !d.Bad() {
		s += ", not verified"
	}
	return s
}

// A ring keeps the last deliveries. The receiver's mutex guards it.
type ring struct {
	size int
	all  []Delivery
	next int // where the oldest stands once the ring is full
}

func (r *ring) add(d *Delivery, slim bool) {
	if r.size <= 0 {
		return
	}
	at := len(r.all)
	if at < r.size {
		r.all = append(r.all, *d)
	} else {
		at = r.next
		r.all[at] = *d
		r.next = (r.next + 1) % r.size
	}
	if slim {
		r.all[at].Body = nil
	}
}

// each yields the kept deliveries, oldest first.
func (r *ring) each(yield func(*Delivery) bool) {
	for i := range r.all {
		if !yield(&r.all[(r.next+i)%len(r.all)]) {
			return
		}
	}
}
