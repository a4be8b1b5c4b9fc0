package watermillbus

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// The pause after a failure: doubled with each failure of a topic in a row, up to the longest. It stays far below the time after
// which a broker takes a message back (SQS 30 s, NATS JetStream 30 s).
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// pauseBeforeNack makes a middleware that holds a failed message for a moment before its nack reaches the subscriber, who may
// deliver it again at once: GoChannel does, and a store that is unavailable would make that a busy loop of every envelope under
// way. The pause takes the message's own goroutine and ends with ctx. That must be the subscription's: while the bus stops, what
// still comes is refused, and would be resent at once if the pause were over already. The Router calls the middleware once for
// each topic, so each has its own count; one success brings it back to the first pause.
func pauseBeforeNack(ctx context.Context) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		var failures atomic.Int64

		return func(m *message.Message) ([]*message.Message, error) {
			produced, err := next(m)
			if err == nil {
				failures.Store(0)

				return produced, nil
			}

			wait(ctx, pause(failures.Add(1)))

			return nil, err
		}
	}
}

// pause is how long to wait after the nth failure in a row, from 1.
func pause(n int64) time.Duration {
	d := firstPause
	for ; n > 1 && d < longestPause; n-- {
		d *= 2
	}

	return min(d, longestPause)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
