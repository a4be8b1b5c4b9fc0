package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/ports"
)

// waits returns the time from one attempt that fails to the next, over the whole schedule.
func waits(w Webhook, jitter float64) []time.Duration {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var all []time.Duration
	for attempt := 1; ; attempt++ {
		at, ok := nextAttempt(w, attempt, Outcome{Status: 500, Class: ports.ClassStatus}, now, jitter)
		if !ok {
			return all
		}
		all = append(all, at.Sub(now))
	}
}

func TestSeedScheduleIsExact(t *testing.T) {
	t.Parallel()
	w, err := NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"candidate.created"}, Seed: true}.Check(DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	for _, jitter := range []float64{0, 0.5, 0.999} {
		got := waits(w, jitter)
		if len(got) != 2 || got[0] != 60*time.Second || got[1] != 120*time.Second {
			t.Errorf("with jitter %v a seed webhook waits %v, want 1m0s and 2m0s", jitter, got)
		}
	}
}

func TestDefaultSchedule(t *testing.T) {
	t.Parallel()
	w, err := NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}}.Check(DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"}
	got := waits(w, 0)
	if len(got) != len(want) {
		t.Fatalf("the default schedule has %d waits, want %d", len(got), len(want))
	}
	for i, d := range got {
		if Duration(d).String() != want[i] {
			t.Errorf("wait %d is %s, want %s", i+1, Duration(d), want[i])
		}
	}
}

// TestWaitBounds: a wait is never shorter than scheduled, and longer by at most the tenth of jitter and the rounding to milliseconds;
// what a Retry-After adds ends at twice the scheduled wait.
func TestWaitBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scheduled := time.Duration(rapid.Int64Range(1, int64(maxDelay)).Draw(t, "wait"))
		now := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		jitter := rapid.Float64Range(0, 0.999999).Draw(t, "jitter")
		o := Outcome{
			Status:     rapid.SampledFrom([]int{0, 200, 404, 429, 500, 503}).Draw(t, "status"),
			RetryAfter: rapid.OneOf(rapid.StringMatching(`[0-9]{0,12}`), rapid.String()).Draw(t, "retryAfter"),
		}
		at, ok := nextAttempt(Webhook{Settings: Settings{Schedule: []Duration{Duration(scheduled)}}}, 1, o, now, jitter)
		if !ok {
			t.Fatal("attempt 1 of a schedule with one wait has no next")
		}
		most := scheduled + scheduled/10
		if o.Status == 429 || o.Status == 503 {
			most = 2 * scheduled
		}
		if wait := at.Sub(now); wait < scheduled || wait > most+time.Millisecond {
			t.Fatalf("wait is %s, want %s to %s", wait, scheduled, most)
		}
		if !at.Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%s is not in whole milliseconds", at)
		}
		if _, ok := nextAttempt(Webhook{Settings: Settings{Schedule: []Duration{Duration(scheduled)}}}, 2, o, now, jitter); ok {
			t.Fatal("attempt 2 of a schedule with one wait has a next")
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rows := []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{" 120 ", 2 * time.Minute},
		{"-1", 0},
		{"-99999999999999999999", 0},
		{"1.5", 0},
		{"soon", 0},
		{"2147483647", 2147483647 * time.Second},
		// Larger numbers are as good as the largest: the bound of twice the wait comes after it.
		{"2147483648", 2147483647 * time.Second},
		{"99999999999999999999", 2147483647 * time.Second},
		{"Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		{"Friday, 02-Jan-26 03:05:05 GMT", time.Minute},
		{"Fri Jan  2 03:05:05 2026", time.Minute},
		{"Fri, 02 Jan 2026 03:04:04 GMT", 0}, // over
		{"Fri, 02 Jan 2026 03:05:05 +0100", 0},
	}
	for _, r := range rows {
		if got := retryAfter(r.value, now); got != r.want {
			t.Errorf("retryAfter(%q) = %s, want %s", r.value, got, r.want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	t.Parallel()
	whole := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	for in, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, 999_999: time.Millisecond, time.Millisecond: time.Millisecond, 1_000_001: 2 * time.Millisecond,
	} {
		if got := roundUp(whole.Add(in)).Sub(whole); got != want {
			t.Errorf("roundUp(+%s) = +%s, want +%s", in, got, want)
		}
	}
}
