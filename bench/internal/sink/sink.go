// Package sink is the receiver of the benchmark: it notes when each numbered body came, each once. Read next: package
// contest, which waits for it.
package sink

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/bench/internal/loopback"
	"posthorn/bench/internal/payload"
)

// A Verify checks what came, and returns why it is not what was promised. It is called from many goroutines at once.
type Verify func(http.Header, []byte) error

// A Sink listens on a port of the loopback until it is closed. Its methods may be called from many goroutines at once.
type Sink struct {
	*loopback.Server // whose Close ends it

	base     time.Time
	arrivals []atomic.Int64 // nanoseconds since base + 1, by number; 0 while it has not come
	verify   atomic.Pointer[Verify]

	unique, repeated, refused atomic.Int64
	firstRefusal              atomic.Pointer[error]

	want atomic.Int64
	full chan struct{} // holds one signal: unique has reached want
}

// Open starts a sink for the numbers 0 to most-1. Times are counted from base. It lasts until Close, whatever becomes of ctx.
func Open(ctx context.Context, base time.Time, most int) (*Sink, error) {
	s := &Sink{base: base, arrivals: make([]atomic.Int64, most), full: make(chan struct{}, 1)}
	var err error
	s.Server, err = loopback.Open(ctx, s)
	return s, err
}

// Verify sets the check of what comes from now on; nil takes everything.
func (s *Sink) Verify(v Verify) { s.verify.Store(&v) }

// buffers hold bodies while they are read: one for each request under way.
var buffers = sync.Pool{New: func() any { return new([4096]byte) }} //nolint:gochecknoglobals // a pool is shared by nature

// ServeHTTP notes a body that verifies, and answers 204; it answers 400 to anything else. A path that is a number is added to the body's:
// so one message can go to several webhooks, and counts once for each.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Since(s.base)
	buffer, _ := buffers.Get().(*[4096]byte)
	defer buffers.Put(buffer)
	n, err := io.ReadFull(r.Body, buffer[:])
	if err != io.ErrUnexpectedEOF { //nolint:errorlint // io.ReadFull returns it bare
		err = fmt.Errorf("a body of at least %d bytes, or none, or a broken one: %w", n, err)
	} else {
		err = s.note(at, r, buffer[:n])
	}
	if err != nil {
		s.refused.Add(1)
		s.firstRefusal.CompareAndSwap(nil, &err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sink) note(at time.Duration, r *http.Request, body []byte) error {
	n, ok := payload.Find(body)
	if offset, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil && offset > 0 {
		n += offset
	}
	if !ok || n >= len(s.arrivals) {
		return fmt.Errorf("body %.200q bears no number below %d", body, len(s.arrivals))
	}
	if v := s.verify.Load(); v != nil && *v != nil {
		if err := (*v)(r.Header, body); err != nil {
			return fmt.Errorf("number %d does not verify: %w", n, err)
		}
	}
	if !s.arrivals[n].CompareAndSwap(0, int64(at)+1) {
		s.repeated.Add(1)
		return nil
	}
	if s.unique.Add(1) >= s.want.Load() {
		select {
		case s.full <- struct{}{}:
		default: // the signal is there already
		}
	}
	return nil
}

// Wait returns when count numbers have come since the sink was opened, or with an error when ctx ends. It has one caller at a time.
func (s *Sink) Wait(ctx context.Context, count int) error {
	s.want.Store(int64(count))
	for s.unique.Load() < int64(count) {
		select {
		case <-s.full: // or one left over from an earlier wait, so look again
		case <-ctx.Done():
			return fmt.Errorf("%d of %d numbers arrived: %w", s.unique.Load(), count, ctx.Err())
		}
	}
	return s.Refused()
}

// Refused returns why the first of the bodies was refused, or nil if none was.
func (s *Sink) Refused() error {
	if err := s.firstRefusal.Load(); err != nil {
		return fmt.Errorf("the sink refused %d bodies, the first: %w", s.refused.Load(), *err)
	}
	return nil
}

// Span returns when the first and the last of the numbers that have come did, counted from base; zeros if none has.
func (s *Sink) Span() (first, last time.Duration) {
	for n := range s.arrivals {
		at, came := s.Arrival(n)
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

// Arrived says how many numbers have come.
func (s *Sink) Arrived() int { return int(s.unique.Load()) }

// Repeated says how many bodies came again after they had come.
func (s *Sink) Repeated() int { return int(s.repeated.Load()) }

// Arrival says when number n came, counted from base, and whether it came.
func (s *Sink) Arrival(n int) (time.Duration, bool) {
	at := s.arrivals[n].Load()
	return time.Duration(at - 1), at != 0
}
