package load_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"posthorn/bench/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// taking accepts each request after a time.
func taking(d time.Duration, count int) []load.Send {
	return slices.Repeat([]load.Send{func(context.Context, int) error { time.Sleep(d); return nil }}, count)
}

func TestOpenKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := load.Open(t.Context(), time.Now(), load.Numbers{First: 5, Count: 4}, 100, taking(3*ms, 2), time.Sleep)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Due {
			due := time.Duration(i) * 10 * ms
			if r.Due[i] != due || r.Sent[i] != due || r.Accepted[i] != due+3*ms {
				t.Errorf("request %d: due %v, sent %v, accepted %v", i, r.Due[i], r.Sent[i], r.Accepted[i])
			}
		}
	})
}

// A slow receiver must not slow the schedule: what waits for an idle sender is late, and is seen to be.
func TestOpenCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := load.Open(t.Context(), time.Now(), load.Numbers{Count: 4}, 100, taking(25*ms, 1), time.Sleep)
		if err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{0, 10 * ms, 20 * ms, 30 * ms}; !slices.Equal(r.Due, want) {
			t.Errorf("due %v, want %v", r.Due, want)
		}
		if want := []time.Duration{0, 25 * ms, 50 * ms, 75 * ms}; !slices.Equal(r.Sent, want) {
			t.Errorf("sent %v, want %v", r.Sent, want)
		}
	})
}

func TestClosedWaitsForEachAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := load.Closed(t.Context(), time.Now(), load.Numbers{Count: 6}, taking(10*ms, 2))
		if err != nil {
			t.Fatal(err)
		}
		sent, first, last := r.Span()
		if sent != 0 || first != 10*ms || last != 30*ms {
			t.Errorf("6 requests of 10ms over 2 loops: sent at %v, accepted from %v to %v", sent, first, last)
		}
	})
}

func TestEachNumberIsSentOnce(t *testing.T) {
	t.Parallel()
	var sent [100]atomic.Int32
	count := func(_ context.Context, n int) error { sent[n-1000].Add(1); return nil }
	senders := slices.Repeat([]load.Send{count}, 8)
	if _, err := load.Closed(t.Context(), time.Now(), load.Numbers{First: 1000, Count: 50}, senders); err != nil {
		t.Fatal(err)
	}
	if _, err := load.Open(t.Context(), time.Now(), load.Numbers{First: 1050, Count: 50}, 1e6, senders, load.Nap); err != nil {
		t.Fatal(err)
	}
	for i := range sent {
		if got := sent[i].Load(); got != 1 {
			t.Errorf("number %d was sent %d times", 1000+i, got)
		}
	}
}

func TestTheFirstRefusalEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		senders := slices.Repeat([]load.Send{func(ctx context.Context, n int) error {
			if n == 3 {
				return refused
			}
			select {
			case <-time.After(ms):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}, 2)
		_, closed := load.Closed(t.Context(), time.Now(), load.Numbers{Count: 1 << 20}, senders)
		_, open := load.Open(t.Context(), time.Now(), load.Numbers{Count: 1 << 20}, 10, senders, time.Sleep)
		for name, err := range map[string]error{"closed": closed, "open": open} {
			if !errors.Is(err, refused) || !strings.Contains(err.Error(), "request 3") {
				t.Errorf("%s: %v, want request 3 refused", name, err)
			}
		}
	})
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*ms)
		defer cancel()
		_, err := load.Open(ctx, time.Now(), load.Numbers{Count: 1 << 20}, 100, taking(ms, 2), time.Sleep)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("open: %v", err)
		}
		if _, err := load.Closed(ctx, time.Now(), load.Numbers{Count: 1}, taking(ms, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed: %v", err)
		}
	})
}
