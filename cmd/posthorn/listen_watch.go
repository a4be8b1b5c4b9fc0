package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"posthorn/harness"
)

// settleGrace is how long the last answers may take that are passed on from another server.
const settleGrace = 10 * time.Second

// attend prints until what it waits for has come, and judges.
func (c *listenCmd) attend(p *program, r *harness.Receiver, out *listenPrinter) error {
	ctx, cancel := p.ctx, func() {}
	if c.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
	}
	defer cancel()
	missing, came := slices.Clone(c.Expect), 0
	err := watch(ctx, r, 0, func(d harness.Delivery) (bool, error) {
		if d.N > came+1 { // they were more than the receiver keeps
			out.skipped(came+1, d.N-1)
			missing = r.Account(missing...).Lost
		}
		came = d.N
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == d.ID })
		done := (c.Count > 0 || len(c.Expect) > 0) && came >= c.Count && len(missing) == 0
		return !done, out.delivery(d)
	})
	if c.Forward != "" {
		c.settle(p.ctx, r)
	}
	bad := r.Account().Bad // those that were not printed, too, but none from before a reset
	switch late := errors.Is(err, context.DeadlineExceeded); {
	case late && (c.Count > 0 || len(c.Expect) > 0):
		return c.notAll(came, missing)
	case err != nil && !late && p.ctx.Err() == nil:
		return err
	case bad > 0:
		return fmt.Errorf("%d deliveries failed a check: their signature or token is not of this secret; see above", bad)
	}
	return nil
}

func (c *listenCmd) settle(ctx context.Context, r *harness.Receiver) {
	ctx, cancel := context.WithTimeout(ctx, settleGrace)
	defer cancel()
	_ = r.AwaitIdle(ctx, time.Millisecond) // what takes longer is cut off
}

// notAll says what is missing.
func (c *listenCmd) notAll(came int, missing []string) error {
	var parts []string
	if came < c.Count {
		parts = append(parts, fmt.Sprintf("%d of %d deliveries came", came, c.Count))
	}
	if len(missing) > 0 {
		parts = append(parts, fmt.Sprintf("of %d expected messages %d did not come: %.500s", len(c.Expect), len(missing), strings.Join(missing, " ")))
	}
	return fmt.Errorf("not all came within %v: %s; look at the sender, or give it more --timeout", c.Timeout, strings.Join(parts, ", and "))
}

// watch hands over the deliveries that come after the first seen ones, in their order, until each says that it wants no more.
func watch(ctx context.Context, r *harness.Receiver, seen int, each func(harness.Delivery) (more bool, err error)) error {
	for {
		later := func(d harness.Delivery) bool { return d.N > seen }
		if err := r.AwaitMatch(ctx, 1, later); err != nil {
			return err
		}
		for _, d := range r.Deliveries() {
			if d.N <= seen {
				continue
			}
			seen = d.N
			if more, err := each(d); err != nil || !more {
				return err
			}
		}
	}
}

// ended says that a wait ended because its time was over or the person pressed Ctrl-C.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
