package harness

import (
	"errors"
	"net/http"
	"time"
)

// Options shape a [Receiver]. The zero value is ready to use.
type Options struct {
	// Listen is the address to listen on. Empty means 127.0.0.1:0, a free port of the loopback.
	Listen string

	// TLS is the kind of certificate to show; empty means plain HTTP. See [Receiver.TLSConfig] for who trusts it.
	TLS TLS

	// Protocols are the versions of HTTP to speak. Nil means HTTP/1.1, and over TLS also HTTP/2, as the client asks for.
	Protocols *http.Protocols

	// Secret is what all endpoints verify with until SetSecret says otherwise; see [Receiver.SetSecret]. Empty means that
	// nothing is verified.
	Secret string

	// HMAC is in place of Secret for a sender that signs with one header of its own; see [Receiver.SetHMAC].
	HMAC HMAC

	// Tolerance is how far a signed timestamp may lie from the arrival, before it or after. Zero means 5 minutes, the value of
	// the Standard Webhooks reference libraries.
	Tolerance time.Duration

	// ID says which message a delivery carries, the same for every attempt at it; empty if it carries none. Nil means the
	// header webhook-id. [IDHeader] and [IDPointer] make others. It is called from many goroutines at once.
	ID func(header http.Header, body []byte) string

	// Keep is how many of the last deliveries are kept whole, for Deliveries. Zero means 1,000; a negative number keeps none.
	Keep int

	// DropBodies forgets the body of a delivery once it has been verified and OnDelivery has returned.
	DropBodies bool

	// MaxBody is how many bytes of a body are read. Zero means 1 MiB. A longer body is recorded cut, and cannot be verified.
	MaxBody int64

	// OnDelivery, when set, is called with each delivery after it was recorded and before it is answered, from many goroutines
	// at once. It must not close the receiver.
	OnDelivery func(Delivery)
}

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Tolerance == 0 {
		o.Tolerance = 5 * time.Minute
	}
	if o.ID == nil {
		o.ID = IDHeader(headerID)
	}
	if o.Keep == 0 {
		o.Keep = 1000
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	return o
}

// Validate says whether [Start] would take the options, as far as that can be told without listening.
func (o Options) Validate() error {
	r := &Receiver{opts: o.withDefaults()}
	r.scope = scope{r: r}
	if err := r.setChecks(); err != nil {
		return err
	}
	_, err := newAuthority(o.TLS, "localhost")
	return err
}

// setChecks gives the receiver what Options verify with.
func (r *Receiver) setChecks() error {
	if r.opts.HMAC == (HMAC{}) {
		return r.SetSecret(r.opts.Secret)
	}
	if r.opts.Secret != "" {
		return errors.New("options with a Secret and an HMAC refused: a sender signs in one of the two ways; leave one out")
	}
	return r.SetHMAC(r.opts.HMAC)
}
