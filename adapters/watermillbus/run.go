package watermillbus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"posthorn/ports"
)

// Run implements [ports.Bus]. When ctx ends it stops in this order: no further handler begins; the handlers under way finish
// and acknowledge, for as long as they take (their ctx has ended, so that is not long); the subscriptions end; Publish refuses;
// publisher and subscriber are closed. What goes wrong in closing is logged, for nobody could act on it any more.
func (b *Bus) Run(ctx context.Context) error {
	err := b.serve(ctx)

	b.publishing.shut()
	b.close("publisher", b.publisher.Close)
	b.close("subscriber", b.subscriber.Close)

	return err
}

func (b *Bus) close(what string, closeIt func() error) {
	if err := closeIt(); err != nil {
		b.slog.Error("bus: close "+what, "error", err)
	}
}

// serve runs the router until ctx ends or a subscription is lost, and joins it.
//
// The subscriptions have a context of their own, which outlives ctx until the handlers are done: a transport whose subscription
// has ended takes no acknowledgement any more, and would deliver again what was handled well.
func (b *Bus) serve(ctx context.Context) error {
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	subscribed, unsubscribe := context.WithCancel(context.WithoutCancel(ctx))
	defer unsubscribe()

	router, handlers, err := b.newRouter(serving, func(r *route) context.Context { return b.subscription(subscribed, unsubscribe, r) })
	if err != nil {
		return err
	}

	ended := make(chan error, 1)
	go func() { ended <- router.Run(subscribed) }() // joined below, ends with router.Close

	select {
	case <-router.Running():
		close(b.running)
	case err := <-ended:
		return fmt.Errorf("run the message router: %w", err)
	}

	var watchers sync.WaitGroup
	for r, h := range handlers {
		watchers.Go(func() { // ends with unsubscribe at the latest
			<-h.Stopped()

			if r.stopped.Err() == nil {
				stop(fmt.Errorf("serve topic %s: its subscription ended, though nobody here ended it; see the transport's log", r.topic))
			}
		})
	}

	<-serving.Done()
	b.shutHandling()
	unsubscribe()

	err = router.Close()

	watchers.Wait()

	err = errors.Join(err, <-ended)

	if ctx.Err() == nil {
		err = context.Cause(serving)
	}

	return err
}

// subscription is the context of a topic's subscription. It ends with all of them, or when the topic is stopped. When that was the last,
// all end, for a Router that is left without any would take it for a fault.
func (b *Bus) subscription(all context.Context, endAll context.CancelFunc, r *route) context.Context {
	one, end := context.WithCancel(all)

	context.AfterFunc(r.stopped, func() {
		if !slices.ContainsFunc(b.routes, func(r *route) bool { return r.stopped.Err() == nil }) {
			endAll()
		}

		end()
	})

	return one
}

// shutHandling lets no further handler begin, on whatever topic, and waits for those under way.
func (b *Bus) shutHandling() {
	for _, r := range b.routes {
		r.handling.close()
	}

	for _, r := range b.routes {
		r.handling.shut()
	}
}

// newRouter subscribes to every topic and returns a router that is ready to run, with its handlers by topic. It subscribes
// before the router does because a router whose second subscription fails leaves the goroutines of the first behind.
func (b *Bus) newRouter(serving context.Context, subscribed func(*route) context.Context) (*message.Router, map[*route]*message.Handler, error) {
	// The router's own limit never strikes: serve waits for the handlers first.
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: math.MaxInt64}, b.logger)
	if err != nil {
		return nil, nil, fmt.Errorf("make the message router: %w", err)
	}

	handlers := make(map[*route]*message.Handler, len(b.routes))

	for _, r := range b.routes {
		ctx := subscribed(r)

		messages, err := b.subscriber.Subscribe(ctx, r.topic)
		if err != nil {
			return nil, nil, fmt.Errorf("subscribe to topic %s: %w", r.topic, err)
		}

		h := router.AddConsumerHandler(r.topic, r.topic, subscription(messages), consume(serving, r))
		h.AddMiddleware(pauseBeforeNack(ctx), middleware.Recoverer)

		handlers[r] = h
	}

	return router, handlers, nil
}

// consume makes a Router's handler of ours. The handler's ctx is Run's.
func consume(serving context.Context, r *route) message.NoPublishHandlerFunc {
	return func(m *message.Message) error {
		if !r.handling.enter() {
			return fmt.Errorf("handle envelope %s: the bus is stopping: %w", m.UUID, errStopping)
		}
		defer r.handling.leave()

		ctx := context.WithValue(serving, correlation{}, correlationID(m))

		return r.handler(ctx, toEnvelope(m))
	}
}

// errStopping is what the Router does not log, for it is no fault: the envelope comes again, or goes to somebody else.
var errStopping = fmt.Errorf("%w: %w", ports.ErrClosed, context.Canceled)

// A subscription is what a Router gets as its subscriber: messages that are subscribed to already. Its Close does nothing, for
// the context of the subscription ends it.
type subscription <-chan *message.Message

// Subscribe implements [message.Subscriber].
func (s subscription) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return s, nil
}

// Close implements [message.Subscriber].
func (subscription) Close() error { return nil }
