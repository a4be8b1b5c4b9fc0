package fill

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/ports"
)

func TestCallerAnswersAtOnceOrHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, request := new(caller), ports.Request{Timeout: timeout}
		if got := c.Call(t.Context(), request); got.Class != ports.ClassOK || got.Status != 204 {
			t.Errorf("not held: %+v", got)
		}
		c.holds.Store(true)
		if got := c.Call(t.Context(), request); got.Class != ports.ClassTimeout || got.Took != timeout {
			t.Errorf("held: %+v, want the timeout", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := c.Call(ctx, request); got.Class != ports.ClassInternal || got.Took != time.Second {
			t.Errorf("held and stopped: %+v", got)
		}
		if err := c.wait(t.Context(), 1); err != nil {
			t.Errorf("one was answered: %v", err)
		}
		if err := c.wait(ctx, 2); err == nil {
			t.Error("two were answered, and not one")
		}
	})
}
