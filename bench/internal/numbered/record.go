package numbered

import (
	"context"
	"fmt"
	"time"

	"posthorn/harness/load"
)

// A Send makes the request with number n and returns nil when it was accepted. It is called from many goroutines at once.
type Send func(ctx context.Context, n int) error

// Numbers are the requests First to First+Count-1; Count is above zero.
type Numbers struct{ First, Count int }

// A Record holds the times of the requests First to First+len(Sent)-1, counted from the base that was given.
type Record struct {
	First int
	// Due is when a request should have been sent, Sent when it was, Accepted when its 2xx was read. In a closed loop Due is Sent.
	Due, Sent, Accepted []time.Duration
}

// Span returns when the first request was sent, and when the first and the last were accepted.
func (r Record) Span() (sent, firstAccepted, lastAccepted time.Duration) {
	sent, firstAccepted = r.Sent[0], r.Accepted[0]
	for i, at := range r.Accepted {
		sent, firstAccepted, lastAccepted = min(sent, r.Sent[i]), min(firstAccepted, at), max(lastAccepted, at)
	}
	return sent, firstAccepted, lastAccepted
}

// Closed sends the numbers by [load.Closed] over so many loops, and returns when all are answered. The first that is not accepted ends the
// run with its error.
func Closed(ctx context.Context, base time.Time, numbers Numbers, loops int, send Send) (Record, error) {
	return record(ctx, base, numbers, send, func(ctx context.Context, send load.Send) {
		load.Closed(ctx, numbers.Count, loops, send)
	})
}

// Open sends the numbers by [load.Open] at rate, above zero, in requests a second, with no more than most under way. It returns when all are
// answered. The first that is not accepted ends the run with its error.
func Open(ctx context.Context, base time.Time, numbers Numbers, rate float64, most int, send Send) (Record, error) {
	return record(ctx, base, numbers, send, func(ctx context.Context, send load.Send) {
		load.Open(ctx, time.Now(), paceOf(numbers.Count, rate), most, send)
	})
}

// paceOf makes exactly count requests due: a duration that was rounded up could make one more.
func paceOf(count int, rate float64) load.Pace {
	return load.Pace{Rate: rate, Duration: time.Duration(float64(count) / rate * float64(time.Second))}
}

// record lets a generator send, and ends it when a request is not accepted.
func record(ctx context.Context, base time.Time, numbers Numbers, send Send, generate func(context.Context, load.Send)) (Record, error) {
	r := Record{
		First: numbers.First, Due: make([]time.Duration, numbers.Count), Sent: make([]time.Duration, numbers.Count),
		Accepted: make([]time.Duration, numbers.Count),
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	generate(ctx, func(ctx context.Context, i int, due time.Time) {
		r.Due[i], r.Sent[i] = due.Sub(base), time.Since(base)
		if err := send(ctx, r.First+i); err != nil {
			end(fmt.Errorf("request %d: %w", r.First+i, err))
			return
		}
		r.Accepted[i] = time.Since(base)
	})
	return r, context.Cause(ctx)
}
