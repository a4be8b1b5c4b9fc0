package fill

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"posthorn/ports"
)

// timeout of the webhooks: the longest that there is, so that little of what is held comes back.
const timeout = time.Minute

// A caller answers 204 at once, or holds what it is asked for until that is stopped.
type caller struct {
	answered atomic.Int64
	holds    atomic.Bool
}

// Call implements ports.Caller.
func (c *caller) Call(ctx context.Context, r ports.Request) ports.Reply {
	if !c.holds.Load() {
		c.answered.Add(1)
		return ports.Reply{Status: http.StatusNoContent}
	}
	start, stop := time.Now(), time.NewTimer(r.Timeout)
	defer stop.Stop()
	select {
	case <-ctx.Done():
		return ports.Reply{Class: ports.ClassInternal, Error: "held until the call was stopped", Took: time.Since(start)}
	case <-stop.C:
		return ports.Reply{Class: ports.ClassTimeout, Error: "held until the timeout", Took: time.Since(start)}
	}
}

// lookEvery is how often wait looks: a signal for each call would cost more than it is worth.
const lookEvery = 20 * time.Millisecond

// wait returns when count calls have been answered, or with an error when ctx ends.
func (c *caller) wait(ctx context.Context, count int) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for c.answered.Load() < int64(count) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d calls were answered: %w", c.answered.Load(), count, ctx.Err())
		}
	}
	return nil
}
