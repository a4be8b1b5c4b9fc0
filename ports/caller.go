package ports

import (
	"context"
	"time"
)

// A Caller makes one HTTP attempt. It never retries and never follows a redirect.
type Caller interface {
	// Call sends the request and reports what came of it. A 500, a timeout, a refused address are replies, not errors: Call
	// always returns a Reply, at the latest when the request's Timeout or ctx has ended. It may be called from many goroutines at
	// once. It does not keep or change the request after it has returned; the caller owns the Reply.
	Call(ctx context.Context, r Request) Reply
}

// A Request is one POST to be made.
type Request struct {
	// URL is absolute, http or https.
	URL string
	// Header holds the request's headers; a name stands once.
	Header map[string]string
	// Body is sent as it is.
	Body []byte
	// Timeout bounds the whole attempt, from the name lookup to the last byte of the response that is kept. It is above zero.
	Timeout time.Duration
}

// A Reply is what came of an attempt.
type Reply struct {
	// Class says what went wrong, or is ClassOK.
	Class Class
	// Error is one line for a person: what was refused or failed, why, what to do. It is empty with ClassOK.
	Error string
	// Status is the HTTP status, 0 if no answer came.
	Status int
	// RetryAfter and Location are these response headers as sent, cut at 1 KiB; empty if absent.
	RetryAfter, Location string
	// Body is the first part of the response body, at most the caller's limit; Truncated says that there was more.
	Body      []byte
	Truncated bool
	// Took is the time from the start of the attempt to its end.
	Took time.Duration
}

// A Class tells the kinds of failure apart, above all the receiver's faults from ours.
type Class string

// The classes. The names are written into the log: they are never renamed.
const (
	ClassOK       Class = ""         // an answer with a 2xx status
	ClassDNS      Class = "dns"      // the name could not be resolved
	ClassConnect  Class = "connect"  // no connection: refused, unreachable
	ClassTLS      Class = "tls"      // the handshake failed, or the certificate is not trusted
	ClassTimeout  Class = "timeout"  // the time was used up, in whatever phase
	ClassReset    Class = "reset"    // the connection was closed or broken before an answer was complete
	ClassRedirect Class = "redirect" // an answer with a 3xx status, which is not followed
	ClassStatus   Class = "status"   // an answer with any other status that is not 2xx
	ClassBlocked  Class = "blocked"  // the guard refused the address; no connection was made
	ClassInternal Class = "internal" // our own fault: the request could not be made, or the call was stopped by us
	ClassProxy    Class = "proxy"    // the forward proxy failed: it could not be reached, or did not open the way to the receiver
)
