package engine

import (
	"fmt"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// When a breaker opens, and for how long.
const (
	breakerAttempts = 10 // fewer within the window show nothing
	breakerPercent  = 70 // of failures open it
	breakerBuckets  = 10
	breakerBucket   = 30 * time.Second // the window is 5 min, less what the oldest bucket had of the newest's time
	breakerFirst    = 30 * time.Second // held back at first
	breakerMost     = 5 * time.Minute  // held back at the most: each probe that fails doubles it
)

// A breaker counts what came of one webhook's attempts, and opens when too many failed: then nothing is attempted until a time, when one
// attempt probes. What was under way when it opened says nothing that was not known. Its times are of the monotonic clock. The zero
// breaker is closed.
type breaker struct {
	buckets [breakerBuckets]bucket
	began   time.Time     // when the first outcome was counted
	wait    time.Duration // held back this time, 0 while it is closed
	until   time.Time
	reason  string
}

// A bucket counts the outcomes of one stretch of time.
type bucket struct {
	stretch    int64 // from 1
	failed, of int
}

func (b *breaker) open() bool { return b.wait > 0 }

// record takes in an outcome, and tells whether the breaker has opened by it, opened again or closed. A success never opens it.
func (b *breaker) record(class ports.Class, probe bool, now time.Time) (changed bool) {
	ok := class == ports.ClassOK
	switch {
	case b.open() && !probe:
		return false
	case b.open() && ok:
		*b = breaker{}
		return true
	case b.open():
		b.hold(min(2*b.wait, breakerMost), now, fmt.Sprintf("the probe failed too (%s)", class))
		return true
	}
	failed, of := b.count(ok, now)
	if ok || of < breakerAttempts || failed*100 < of*breakerPercent {
		return false
	}
	b.hold(breakerFirst, now, fmt.Sprintf("%d of %d attempts failed within %s (the last: %s)",
		failed, of, core.Duration(breakerBuckets*breakerBucket), class))
	return true
}

// hold opens the breaker for a time. What it has counted is over.
func (b *breaker) hold(wait time.Duration, now time.Time, reason string) {
	*b = breaker{wait: wait, until: now.Add(wait), reason: reason}
}

// count adds an outcome and sums up the window.
func (b *breaker) count(ok bool, now time.Time) (failed, of int) {
	if b.began.IsZero() {
		b.began = now
	}
	stretch := int64(now.Sub(b.began)/breakerBucket) + 1
	newest := &b.buckets[stretch%breakerBuckets]
	if newest.stretch != stretch {
		*newest = bucket{stretch: stretch}
	}
	newest.of++
	if !ok {
		newest.failed++
	}
	for _, k := range b.buckets {
		if k.stretch > stretch-breakerBuckets {
			failed, of = failed+k.failed, of+k.of
		}
	}
	return failed, of
}

// restored returns an open breaker as its webhook's row has it; left is how much of its time is left. How often it has doubled is told by
// how long it has been open: each wait is as long as all before it and breakerFirst together. A clock that was set back holds nothing back
// for longer.
func restored(row core.Breaker, left time.Duration, now time.Time) *breaker {
	open := row.Until.Time().Sub(row.Since.Time())
	return &breaker{
		wait: min(max((open+breakerFirst)/2, breakerFirst), breakerMost), until: now.Add(min(max(left, 0), breakerMost)), reason: row.Reason,
	}
}
