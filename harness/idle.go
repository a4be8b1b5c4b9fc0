package harness

import (
	"context"
	"fmt"
	"time"
)

// AwaitIdle returns nil when no request is under way, and none has been for as long as quiet, counted from the call at the earliest. Else it
// returns an error that tells how many are under way: ctx's when it ended first, [ErrClosed] if the receiver was closed.
//
// Quiet is no proof that nothing will come: see the example of AwaitID for that. A quiet below 1 ms counts as 1 ms.
func (s *scope) AwaitIdle(ctx context.Context, quiet time.Duration) error {
	quiet = max(quiet, time.Millisecond)
	timer := time.NewTimer(quiet) // the first look is when quiet has passed since the call
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return s.notIdle(context.Cause(ctx))
		case <-s.r.closing.Done():
			return s.notIdle(ErrClosed)
		}
		left := quiet
		if s.underWay.Load() == 0 {
			left = time.Duration(s.moved.Load()) + quiet - time.Since(s.r.began)
		}
		if left <= 0 {
			return nil
		}
		timer.Reset(left)
	}
}

func (s *scope) notIdle(cause error) error {
	return fmt.Errorf("%s: %d requests are under way: %w", s.r.base+s.path, s.UnderWay(), cause)
}
