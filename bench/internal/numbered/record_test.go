package numbered_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/bench/internal/numbered"
)

const ms = time.Millisecond

// taking accepts each request after a time.
func taking(d time.Duration) numbered.Send {
	return func(ctx context.Context, _ int) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestClosedIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := time.Now()
		time.Sleep(time.Second)
		r, err := numbered.Closed(t.Context(), base, numbered.Numbers{First: 5, Count: 6}, 2, taking(10*ms))
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Due {
			if due := time.Second + time.Duration(i/2)*10*ms; r.Due[i] != due || r.Sent[i] != due || r.Accepted[i] != due+10*ms {
				t.Errorf("request %d: due %v, sent %v, accepted %v", i, r.Due[i], r.Sent[i], r.Accepted[i])
			}
		}
		if sent, first, last := r.Span(); r.First != 5 || sent != time.Second || first != sent+10*ms || last != sent+30*ms {
			t.Errorf("from %d: sent at %v, accepted from %v to %v", r.First, sent, first, last)
		}
	})
}

// The real clock, for the generator waits outside of Go's. A slow contender does not slow the schedule: what is late is seen to be.
func TestOpenIsRecorded(t *testing.T) {
	t.Parallel()
	var all [40]atomic.Int32
	base := time.Now()
	r, err := numbered.Open(t.Context(), base, numbered.Numbers{First: 1000, Count: 40}, 3000, 1, func(_ context.Context, n int) error {
		all[n-1000].Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if got := all[i].Load(); got != 1 {
			t.Errorf("number %d was sent %d times", 1000+i, got)
		}
		if after := r.Due[i] - r.Due[0]; after != time.Duration(float64(i)/3000*float64(time.Second)) {
			t.Errorf("request %d is due %v after the first, which is not its rate", i, after)
		}
		if r.Due[i] < 0 || r.Sent[i] < r.Due[i] || r.Accepted[i] < r.Sent[i] {
			t.Errorf("request %d: due %v, sent %v, accepted %v", i, r.Due[i], r.Sent[i], r.Accepted[i])
		}
	}
}

func TestTheFirstRefusalEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		third := func(ctx context.Context, n int) error {
			if n == 3 {
				return refused
			}
			return taking(ms)(ctx, n)
		}
		_, err := numbered.Closed(t.Context(), time.Now(), numbered.Numbers{Count: 1 << 20}, 2, third)
		if !errors.Is(err, refused) || !strings.Contains(err.Error(), "request 3") {
			t.Errorf("%v, want request 3 refused", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 35*ms)
		defer cancel()
		if _, err := numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: 1 << 20}, 2, taking(ms)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by its context: %v", err)
		}
	})
}
