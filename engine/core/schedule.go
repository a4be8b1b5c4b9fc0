package core

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The statuses that decide more than success or failure (RFC 9110, section 15; RFC 6585, section 4).
const (
	statusGone               = 410
	statusTooManyRequests    = 429
	statusServiceUnavailable = 503
)

// jitterShare is how much may be added to a wait, so that calls that failed together do not all come back together. A wait is never
// shortened.
const jitterShare = 0.10

// nextAttempt returns when to try again after attempt attempts, or false when the schedule is used up. jitter is in [0, 1).
// A Retry-After of a 429 or 503 is heeded between the scheduled wait and twice that, so that a hostile receiver can neither
// hurry nor park its queue.
func nextAttempt(w Webhook, attempts int, o Outcome, now time.Time, jitter float64) (time.Time, bool) {
	if attempts > len(w.Schedule) {
		return time.Time{}, false
	}
	scheduled := time.Duration(w.Schedule[attempts-1])
	wait := scheduled
	if !w.Seed {
		wait += time.Duration(float64(scheduled) * jitterShare * jitter)
	}
	if o.Status == statusTooManyRequests || o.Status == statusServiceUnavailable {
		wait = max(wait, min(retryAfter(o.RetryAfter, now), 2*scheduled))
	}
	return roundUp(now.Add(wait)), true
}

// roundUp keeps a stored time at whole milliseconds without making it early.
func roundUp(t time.Time) time.Time {
	if cut := t.Truncate(time.Millisecond); !cut.Equal(t) {
		return cut.Add(time.Millisecond)
	}
	return t
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds, or a date. What cannot be read counts as absent; a number
// that is too large counts as the largest.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseInt(value, 10, 32); (err == nil || errors.Is(err, strconv.ErrRange)) && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	for _, form := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if at, err := time.Parse(form, value); err == nil {
			return max(0, at.Sub(now))
		}
	}
	return 0
}
