package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"posthorn/ports"
)

// What a bus may be able to do beyond ports.Bus. It is asked for, not demanded.

// stoppable is a bus that can end the subscription of one topic and go on with the others, as watermillbus.Bus does. Another bus goes on to
// bring tasks while a dispatcher drains: they are refused, and come again.
type stoppable interface {
	StopHandling(topic string)
}

// isLocal tells whether what an engine publishes goes to the dispatcher beside it, and to nobody else.
func isLocal(b ports.Bus) bool {
	l, ok := b.(ports.Local)
	return ok && l.Local()
}

// healthy is a bus that knows whether its transport can be reached now, as watermillbus.Bus does.
type healthy interface {
	Health(ctx context.Context) error
}

// How long a bus may take to say whether it is well, and how long its answer holds: whoever may ask for readiness, which is anybody,
// must not make the transport busy.
const (
	healthTime  = 2 * time.Second
	healthHolds = time.Second
)

// A checkup asks a bus, if it knows, whether it can reach its transport now. It is safe for concurrent use.
type checkup struct {
	bus ports.Bus

	mu  sync.Mutex
	at  time.Time
	err error
}

func (c *checkup) look(ctx context.Context) error {
	b, ok := c.bus.(healthy)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < healthHolds {
		return c.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTime) // the answer is not for this asker alone
	defer cancel()
	c.err = b.Health(ctx)
	if c.err != nil {
		c.err = fmt.Errorf("the transport cannot be reached: %w", c.err)
	}
	c.at = time.Now()
	return c.err
}

// release ends a bus that was never run. It has no Close: to run it for no time releases its transport.
func release(b ports.Bus) error {
	if b == nil {
		return nil
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return b.Run(ended)
}
