package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"posthorn/engine"
)

func TestInFlightIsTheMostUnderWay(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 3, 64} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.watched(after(http.StatusOK, 100*time.Millisecond))
				b.invoices(engine.NewWebhook{InFlight: most})
				b.publishMany(1000)
				pass(10 * time.Minute)
				if got := w.most[receiver]; got != most {
					t.Errorf("%d attempts were under way at once, want %d", got, most)
				}
				b.wantStates(map[string]int{"succeeded": 1000})
			})
		})
	}
}

func TestLoweredInFlightHoldsFromTheNextAttempt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.watched(after(http.StatusOK, 100*time.Millisecond))
		hook := b.invoices(engine.NewWebhook{})
		b.publishMany(200)
		pass(500 * time.Millisecond)
		two := 2
		b.update(engine.WebhookEdit{ID: hook.ID, InFlight: &two})
		pass(500 * time.Millisecond)
		w := b.watched(after(http.StatusOK, 100*time.Millisecond))
		b.publishMany(100)
		pass(time.Minute)
		if got := w.most[receiver]; got != two {
			t.Errorf("%d attempts were under way at once, want %d", got, two)
		}
		b.wantStates(map[string]int{"succeeded": 300})
	})
}

func TestRateSpreadsAttempts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate   float64
		calls  int
		within time.Duration // of the first attempt and the last
		most   int           // in any second
	}{
		{0.1, 5, 40 * time.Second, 1},
		{1, 10, 9 * time.Second, 1},
		{10, 50, 4900 * time.Millisecond, 10},
		{200, 1000, 4995 * time.Millisecond, 211},
	} {
		t.Run(fmt.Sprint(test.rate), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.watched(after(http.StatusOK, 0))
				b.invoices(engine.NewWebhook{Rate: test.rate})
				began := time.Now()
				b.publishMany(test.calls)
				pass(time.Hour)
				b.wantStates(map[string]int{"succeeded": test.calls})
				if first := w.began[0].Sub(began); first != 0 {
					t.Errorf("the first attempt began after %s", first)
				}
				if got := w.began[test.calls-1].Sub(began).Round(time.Millisecond); got != test.within {
					t.Errorf("the last attempt began after %s, want %s", got, test.within)
				}
				if got := w.busiest(); got > test.most {
					t.Errorf("%d attempts within a second, want at most %d", got, test.most)
				}
			})
		})
	}
}

func TestRateCountsRetriesAndHoldsOverChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t, func(o *engine.Options) { o.NoBreaker = true })
		defer b.close()
		w := b.watched(after(http.StatusInternalServerError, 0))
		hook := b.invoices(engine.NewWebhook{Rate: 1, Schedule: []time.Duration{time.Second, time.Second}})
		b.publishMany(10)
		pass(5 * time.Second)
		for range 10 { // changes give no burst
			one := 1.0
			b.update(engine.WebhookEdit{ID: hook.ID, Rate: &one})
			pass(100 * time.Millisecond)
		}
		if got := w.busiest(); got != 1 {
			t.Errorf("%d attempts within a second, want 1", got)
		}
		slow, quick := 0.01, 10.0
		b.update(engine.WebhookEdit{ID: hook.ID, Rate: &slow})
		pass(20 * time.Second)
		at := w.count()
		b.update(engine.WebhookEdit{ID: hook.ID, Rate: &quick})
		pass(time.Second)
		if got := w.count() - at; got < 10 || got > 11 {
			t.Errorf("%d attempts in the second after the rate was raised to 10", got)
		}
		pass(time.Hour)
		b.wantStates(map[string]int{"failed: schedule used up": 10})
		if w.count() != 30 {
			t.Errorf("%d attempts, want 30", w.count())
		}
	})
}
