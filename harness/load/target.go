package load

import (
	"context"
	"errors"
	"net/http"
	"time"

	"posthorn/harness"
)

// ErrRefused says that the sender answered a trigger with no: the message is not kept, and will not arrive. After any other error it
// may arrive or not.
var ErrRefused = errors.New("refused")

// ErrUnreachable says that nobody answers at the sender's address. It was not told anything.
var ErrUnreachable = errors.New("unreachable")

// A Target is a sender of webhooks as a load run needs it. Its functions are called from many goroutines at once and end with their
// context. Trigger is needed; the others may be nil.
type Target struct {
	// Name stands in reports.
	Name string

	// Register asks that everything told to the company be sent to the URL. Without it the sender must know the receivers already, or
	// be told with each message, which then arrives at one of the company's receivers.
	Register func(ctx context.Context, s Subscription) (Webhook, error)
	// Trigger makes the sender tell of a message, and returns when it was accepted. The id is the one that the sender gave to the
	// message, if it is another than m.ID and of use for ID or Calls; empty if not.
	Trigger func(ctx context.Context, m Message) (id string, err error)
	// Unregister removes what Register made.
	Unregister func(ctx context.Context, w Webhook) error
	// Calls yields what the sender's history says of the calls for a company. The run ends when none is pending, and compares.
	Calls func(ctx context.Context, company string, each func(Call)) error

	// ID finds in a delivery the id of its message: m.ID or the one that Trigger returned. Nil means the header webhook-id.
	ID func(header http.Header, body []byte) string
	// HMAC is what deliveries are verified with if Register returns no secret; the zero value verifies nothing.
	HMAC harness.HMAC
}

// A Subscription is what a webhook is registered with.
type Subscription struct {
	Company, URL string
	// Schedule holds the waits between attempts, and Timeout bounds an attempt; nil and zero mean the sender's own.
	Schedule []time.Duration
	Timeout  time.Duration
}

// A Webhook is what Register made. ID is the sender's; Secret is as [harness.Receiver.SetSecret] takes it, empty if there is none.
type Webhook struct{ Company, URL, ID, Secret string }

// A Message is one to be told. N counts from 0, ID is drawn from it and new in every run, Receiver is the URL of the company's
// receiver whose turn it is, and Payload is text without meaning, of letters and digits.
type Message struct {
	N                              int
	ID, Company, Receiver, Payload string
}

// A Call is what the sender's history says of one message for one webhook.
type Call struct {
	// Message is the id that Trigger returned, or the message's own; Webhook is that of Register.
	Message, Webhook string
	State            CallState
}

// A CallState is where a call stands: pending, succeeded, or another word for having ended without success.
type CallState string

// The states that a comparison knows.
const (
	Pending   CallState = "pending"
	Succeeded CallState = "succeeded"
	Failed    CallState = "failed"
)
