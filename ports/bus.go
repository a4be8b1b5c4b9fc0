package ports

import "context"

// A Bus carries envelopes on named topics from publishers to handlers.
//
// It promises at least once while both ends run, and no order. It may drop what it carries when a process ends, so nothing
// that must last may live on it alone. One envelope goes to one handler of its topic: of several processes that handle a topic,
// any may get it.
type Bus interface {
	// Publish hands envelopes to the transport. When it returns nil the transport has taken all of them; after an error it may
	// have taken some. It may be called from many goroutines at once, and may block while the transport pushes back, until ctx
	// ends. Publish does not keep or change the envelopes, but for their Content, after it has returned. It returns ErrClosed when Run has ended.
	Publish(ctx context.Context, topic string, envelopes ...Envelope) error

	// Handle sets the handler of a topic. It is called before Run, at most once a topic, by one goroutine.
	Handle(topic string, h Handler)

	// Run serves the handlers until ctx ends, waits for the handlers under way, releases the transport, and returns nil; or it
	// returns early with the error that stopped it. It is called once.
	Run(ctx context.Context) error

	// Running is closed once every handler is subscribed, from then on nothing published is dropped for want of a subscriber.
	Running() <-chan struct{}
}

// Local is a [Bus] that may carry within this process alone, as that over Go channels does. If Local returns true, what is published there
// is handled there, by nobody else and with its Content.
type Local interface {
	Bus
	Local() bool
}

// A Handler takes one envelope. Handlers of a topic are called from many goroutines at once. A nil error acknowledges the
// envelope; after an error or a panic the bus delivers it again, now or later. The handler's ctx ends when Run's does. The handler
// may keep the envelope.
type Handler func(ctx context.Context, e Envelope) error

// An Envelope is what travels on a Bus.
type Envelope struct {
	// ID tells envelopes apart; it is unique for each envelope published.
	ID string
	// Key groups envelopes that a partitioned transport should keep together. It may be empty.
	Key string
	// Meta are small headers, names in lower case with hyphens.
	Meta map[string]string
	// Body is at most 1 MiB. The engine gathers at most 128 KiB of small things; only one large call alone comes near the limit.
	Body []byte
	// Content is what a bus that is [Local] carries in place of a Body: the value itself, which publisher and handlers share and never
	// change. It is not sealed: it is never to be logged. On any other bus it is nil, and need not be carried.
	Content any
}
