package numbered

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"posthorn/harness"
)

// A Receiver is a receiver of the harness that notes when each number came first. What fails the check of a secret that it was given is
// no arrival. Its methods may be called from many goroutines at once.
type Receiver struct {
	*harness.Receiver // whose Close ends it

	base     time.Time
	arrivals []atomic.Int64 // nanoseconds since base + 1, by number; 0 while it has not come
	arrived  atomic.Int64   // of these, how many are set
	want     atomic.Int64
	refused  atomic.Pointer[error] // the first
	news     chan struct{}         // holds one signal: arrived has reached want, or something was refused
}

// Receive starts a receiver for the numbers 0 to most-1. Times are counted from base. It lasts until Close, whatever becomes of ctx.
//
// A path that is a number is added to the body's: so one message can go to several webhooks, and counts once for each.
func Receive(ctx context.Context, base time.Time, most int) (*Receiver, error) {
	r := &Receiver{base: base, arrivals: make([]atomic.Int64, most), news: make(chan struct{}, 1)}
	var err error
	r.Receiver, err = harness.Start(context.WithoutCancel(ctx),
		harness.Options{ID: ID, Keep: -1, DropBodies: true, OnDelivery: r.note})
	return r, err
}

// note takes a delivery before it is answered.
func (r *Receiver) note(d harness.Delivery) {
	n, ok := r.number(&d)
	if !ok || d.Bad() {
		r.refuse(d)
		return
	}
	if r.arrivals[n].CompareAndSwap(0, int64(d.At.Sub(r.base))+1) && r.arrived.Add(1) >= r.want.Load() {
		r.signal()
	}
}

func (r *Receiver) refuse(d harness.Delivery) {
	err := fmt.Errorf("%v: numbers below %d are awaited, body %.200q", d, len(r.arrivals), d.Body)
	r.refused.CompareAndSwap(nil, &err)
	r.signal()
}

func (r *Receiver) signal() {
	select {
	case r.news <- struct{}{}:
	default: // it is there already
	}
}

// number is the body's and the path's; false says that there is none, or one that is not awaited.
func (r *Receiver) number(d *harness.Delivery) (n int, ok bool) {
	n, err := strconv.Atoi(d.ID)
	if d.Path != "/" {
		if offset, err := strconv.Atoi(d.Path[1:]); err == nil && offset > 0 {
			n += offset
		}
	}
	return n, err == nil && n < len(r.arrivals)
}

// Wait returns when count numbers have arrived since the receiver was started, or with an error when ctx ends, or as soon as anything came
// that bears no number or fails its check. It has one caller at a time.
func (r *Receiver) Wait(ctx context.Context, count int) error {
	r.want.Store(int64(count))
	for r.Arrived() < count && r.refused.Load() == nil {
		select {
		case <-r.news: // or one left over from an earlier wait, so look again
		case <-ctx.Done():
			return fmt.Errorf("%d of %d numbers arrived: %w", r.Arrived(), count, ctx.Err())
		}
	}
	if err := r.refused.Load(); err != nil {
		return fmt.Errorf("a delivery is not what was promised: %w", *err)
	}
	return nil
}

// Span returns when the first and the last of the numbers that have arrived did, counted from base; zeros if none has.
func (r *Receiver) Span() (first, last time.Duration) {
	for n := range r.arrivals {
		at, came := r.Arrival(n)
		if !came {
			continue
		}
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
	}
	return first, last
}

// Arrived says how many numbers have arrived.
func (r *Receiver) Arrived() int { return int(r.arrived.Load()) }

// Repeated says how many deliveries came again after they had come.
func (r *Receiver) Repeated() int {
	a := r.Account()
	return a.Retries + a.Duplicates
}

// Arrival says when number n came first, counted from base, and whether it came.
func (r *Receiver) Arrival(n int) (time.Duration, bool) {
	at := r.arrivals[n].Load()
	return time.Duration(at - 1), at != 0
}
