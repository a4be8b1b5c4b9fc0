// Package watermillbus makes a [ports.Bus] of any Watermill publisher and subscriber: a Watermill Router calls the handlers.
// It is the documented door for transports that Posthorn does not bring along.
//
// What it adds to the transport: envelopes in place of messages, a pause before an envelope is delivered again, a stop that lets
// the handlers under way finish and acknowledge, and errors in the words of package ports. The Router runs with Watermill's
// Recoverer and never with its Retry, which would sleep in memory and stand in no log.
//
// Read next: package gochannel for the transport within one process.
package watermillbus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"posthorn/ports"
)

// Options of a Bus. The zero value works.
type Options struct {
	// Logger gets what goes wrong in handlers and in the transport as errors, and the Router's own steps as debug lines. Bodies
	// and metadata are never logged. Nil discards everything.
	Logger *slog.Logger
	// Health asks the transport whether it can be reached now; nil means that it always can, as within one process. It is called
	// from many goroutines at once, and returns when its context ends.
	Health func(context.Context) error
	// Local says that the transport carries within this process alone: what is published here is handled here, once, and none is lost. It
	// must hand on the context of a message (GoChannel's PreserveContext), for in it an envelope's Content travels.
	Local bool
}

// A Bus is a [ports.Bus] over a Watermill publisher and subscriber. Make one with [New].
type Bus struct {
	publisher  message.Publisher
	subscriber message.Subscriber
	slog       *slog.Logger
	logger     watermill.LoggerAdapter
	health     func(context.Context) error
	local      bool

	routes  []*route
	running chan struct{}

	publishing gate // shut when Run has ended
}

// A route is a topic with its handler.
type route struct {
	topic   string
	handler ports.Handler

	handling gate            // shut when Run's context has ended, or the topic was stopped
	stopped  context.Context //nolint:containedctx // ended by stop, which StopHandling calls
	stop     context.CancelFunc
}

// New returns a bus over pub and sub, which it owns from the moment Run is called: Run closes both. They may be one value if
// its Close is idempotent. Subscriptions of sub must end when the context given to Subscribe does, as Watermill asks for. New
// starts no goroutine.
func New(pub message.Publisher, sub message.Subscriber, o Options) *Bus {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}

	return &Bus{
		publisher:  pub,
		subscriber: sub,
		slog:       logger,
		logger:     routerLogger(logger),
		health:     o.Health,
		local:      o.Local,
		running:    make(chan struct{}),
	}
}

// Handle implements [ports.Bus]. It panics when the topic has a handler already, or after Run: both are mistakes of the program.
func (b *Bus) Handle(topic string, h ports.Handler) {
	select {
	case <-b.running:
		panic("watermillbus: handler of topic " + topic + " refused: the bus runs already; call Handle before Run")
	default:
	}

	for _, r := range b.routes {
		if r.topic == topic {
			panic("watermillbus: handler of topic " + topic + " refused: the topic has one; call Handle once a topic")
		}
	}

	r := &route{topic: topic, handler: h}
	r.stopped, r.stop = context.WithCancel(context.Background())
	b.routes = append(b.routes, r)
}

// StopHandling ends the subscription of one topic: its handlers under way finish and acknowledge, which StopHandling waits for, and no
// further one begins. What comes from then on goes to other processes, or waits in the transport if it keeps things. Publish and the
// other topics go on. It may be called at any time after Handle, from many goroutines at once; a topic without a handler is no error.
func (b *Bus) StopHandling(topic string) {
	for _, r := range b.routes {
		if r.topic == topic {
			r.handling.shut()
			r.stop()
		}
	}
}

// Health returns nil when the transport can be reached now, and otherwise why not, as [Options].Health says.
func (b *Bus) Health(ctx context.Context) error {
	if b.health == nil {
		return nil
	}

	return b.health(ctx)
}

// Local implements [ports.Local]: it is [Options].Local. An engine over such a bus encodes and seals nothing, and paces its tasks by what its
// dispatcher has begun.
func (b *Bus) Local() bool { return b.local }

// Running implements [ports.Bus].
func (b *Bus) Running() <-chan struct{} { return b.running }

// Publish implements [ports.Bus]. The bodies are copied once. The context stops a Publish before it begins, and afterwards in
// those transports that heed the context of a message; the others push back until a timeout of their own.
func (b *Bus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	if !b.publishing.enter() {
		return fmt.Errorf("publish %d envelopes to %s: the bus has stopped: %w", len(envelopes), topic, ports.ErrClosed)
	}
	defer b.publishing.leave()

	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish %d envelopes to %s: %w", len(envelopes), topic, err)
	}

	messages := make([]*message.Message, len(envelopes))
	for i, e := range envelopes {
		m, err := toMessage(ctx, e)
		if err != nil {
			return fmt.Errorf("publish to %s: %w", topic, err)
		}

		messages[i] = m
	}

	if err := b.publisher.Publish(topic, messages...); err != nil {
		return fmt.Errorf("publish %d envelopes to %s: %w", len(envelopes), topic, err)
	}

	return nil
}

// A gate lets callers in until it is shut. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// enter says whether the gate was open; if so, leave must follow.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.closed {
		return false
	}

	g.inside.Add(1)

	return true
}

func (g *gate) leave() { g.inside.Done() }

// shut closes the gate and waits for those inside. It is idempotent.
func (g *gate) shut() {
	g.close()
	g.inside.Wait()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.closed = true
}
