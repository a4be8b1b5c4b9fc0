// Package load makes the requests of the benchmark and notes when each was due, sent and accepted: in a closed loop, where
// the next request of a connection waits for the answer to the last, or in an open one, where requests are due at a steady
// rate however slow the answers are. Read next: package contest.
package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Send makes the request with number n and returns nil when it was accepted. Each is used by one goroutine.
type Send func(ctx context.Context, n int) error

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

// Numbers are the requests First to First+Count-1; Count is above zero.
type Numbers struct{ First, Count int }

func newRecord(numbers Numbers) Record {
	return Record{
		First: numbers.First, Due: make([]time.Duration, numbers.Count), Sent: make([]time.Duration, numbers.Count),
		Accepted: make([]time.Duration, numbers.Count),
	}
}

// Closed sends the numbers over one loop for each of senders, and returns when all are answered. The first that is not accepted
// ends the run with its error.
func Closed(ctx context.Context, base time.Time, numbers Numbers, senders []Send) (Record, error) {
	r := newRecord(numbers)
	var next atomic.Int64
	err := each(ctx, senders, func(ctx context.Context, send Send) error {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= numbers.Count {
				return nil
			}
			r.Due[i] = time.Since(base)
			if err := r.send(ctx, base, i, send); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return r, err
}

// Open sends the numbers at rate, above zero, in requests a second, over the senders that are idle; when none is, a request waits, and
// its time is counted from when it was due all the same. It returns when all are answered. The first that is not accepted ends
// the run with its error. sleep waits for a time: Nap, or time.Sleep in a test.
func Open(ctx context.Context, base time.Time, numbers Numbers, rate float64, senders []Send, sleep func(time.Duration)) (Record, error) {
	r := newRecord(numbers)
	due := make(chan int)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pacer sync.WaitGroup
	pacer.Go(func() { // ends with the last number, or with ctx
		defer close(due)
		pace(ctx, base, r.Due, rate, sleep, due)
	})
	err := each(ctx, senders, func(ctx context.Context, send Send) error {
		for i := range due {
			if err := r.send(ctx, base, i, send); err != nil {
				cancel(err)
				return err
			}
		}
		return ctx.Err()
	})
	cancel(err)
	pacer.Wait()
	return r, err
}

// pace hands out the indices of due, each when it is due.
func pace(ctx context.Context, base time.Time, due []time.Duration, rate float64, sleep func(time.Duration), out chan<- int) {
	runtime.LockOSThread() // Nap blocks the thread
	defer runtime.UnlockOSThread()
	start := time.Since(base)
	for i := range due {
		due[i] = start + time.Duration(float64(i)/rate*float64(time.Second))
		if early := due[i] - time.Since(base); early > 0 {
			sleep(early)
		}
		select {
		case out <- i:
		case <-ctx.Done():
			return
		}
	}
}

func (r Record) send(ctx context.Context, base time.Time, i int, send Send) error {
	r.Sent[i] = time.Since(base)
	if err := send(ctx, r.First+i); err != nil {
		return fmt.Errorf("request %d: %w", r.First+i, err)
	}
	r.Accepted[i] = time.Since(base)
	return nil
}

// each runs work once for each sender, ends all when one fails, waits for all, and returns the first failure.
func each(ctx context.Context, senders []Send, work func(context.Context, Send) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() {
			if err := work(ctx, s); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
