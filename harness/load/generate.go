package load

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Send makes the request with number n, which was due at a time, and returns when it is answered. It is called from many goroutines
// at once, and must return soon after ctx ends.
type Send func(ctx context.Context, n int, due time.Time)

// A Generated tells what a generator did.
type Generated struct {
	// Planned is how many requests were due, Sent how many were made.
	Planned, Sent int
	// Took is from when the first was due until the last was made; Intended is what it should have been. Both are zero for one
	// request or none.
	Took, Intended time.Duration
}

// tolerated is how much of its rate a generator may miss and still have held it.
const tolerated = 0.01

// Held says that the generator made all requests, at its intended rate within 1 %.
func (g Generated) Held() bool {
	return g.Sent == g.Planned && g.Took.Seconds() <= g.Intended.Seconds()*(1+tolerated)
}

// Open makes the requests of pace, each when it is due, counted from start, however slow the answers to the others are. No more than
// most are under way at once; what is due beyond that is made as soon as another ends, late, and its due time stays what it
// was. It returns when all are answered, or ctx has ended and those under way have returned.
func Open(ctx context.Context, start time.Time, pace Pace, most int, send Send) Generated {
	return openLoop(ctx, start, pace, most, send, nap)
}

func openLoop(ctx context.Context, start time.Time, pace Pace, most int, send Send, sleep func(time.Duration)) Generated {
	runtime.LockOSThread() // nap blocks the thread
	defer runtime.UnlockOSThread()
	w := workers{most: most, send: send, work: make(chan request)}
	defer w.join()
	g := Generated{Planned: pace.Total()}
	for n := range g.Planned {
		due := pace.Due(n)
		if !until(ctx, start.Add(due), sleep) || !w.give(ctx, request{n, start.Add(due)}) {
			break
		}
		g.Sent++
		g.Intended, g.Took = due-pace.Due(0), max(time.Since(start), due)-pace.Due(0)
	}
	return g
}

// until returns when it is time, or false when ctx has ended. The last stretch is left to sleep, which is exact and deaf.
func until(ctx context.Context, at time.Time, sleep func(time.Duration)) bool {
	const stretch = 3 * time.Millisecond
	if early := time.Until(at) - stretch; early > 0 {
		timer := time.NewTimer(early)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if early := time.Until(at); early > 0 && ctx.Err() == nil {
		sleep(early)
	}
	return ctx.Err() == nil
}

type request struct {
	n   int
	due time.Time
}

// workers are the goroutines that make requests: as many as have been needed at once, never more than most.
type workers struct {
	most    int
	send    Send
	work    chan request
	running int
	all     sync.WaitGroup
}

// give hands a request to an idle worker, to a new one, or to the first that becomes idle; false says that ctx ended before.
func (w *workers) give(ctx context.Context, r request) bool {
	select {
	case w.work <- r:
		return true
	default:
	}
	if w.running < w.most {
		w.running++
		w.all.Go(func() { // ends when join closes the channel
			w.send(ctx, r.n, r.due)
			for r := range w.work {
				w.send(ctx, r.n, r.due)
			}
		})
		return true
	}
	select {
	case w.work <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *workers) join() {
	close(w.work)
	w.all.Wait()
}

// Closed makes count requests over loops that each wait for the answer before they make the next, which is due at once. It returns when
// all are answered, or ctx has ended and those under way have returned. A closed loop tells how much a sender can take; its latencies say
// little, for a slow answer holds back the requests after it.
func Closed(ctx context.Context, count, loops int, send Send) Generated {
	start := time.Now()
	var next, sent atomic.Int64
	var all sync.WaitGroup
	for range loops {
		all.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= count {
					return
				}
				sent.Add(1)
				send(ctx, n, time.Now())
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	return Generated{Planned: count, Sent: int(sent.Load()), Took: took, Intended: took}
}
