package soak

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"posthorn/bench/internal/loopback"
)

// A mood is how a receiver answers.
type mood int32

const (
	well    mood = iota // 204
	failing             // 500
	hanging             // nothing, until its client gives up or the mood changes
)

// A moody is a receiver that is well, fails and hangs in turn. Its methods may be called from many goroutines at once.
type moody struct {
	*loopback.Server

	mood   atomic.Int32
	change atomic.Pointer[chan struct{}] // closed when the mood changes
	taken  atomic.Int64                  // requests
}

func openMoody(ctx context.Context) (*moody, error) {
	m := new(moody)
	m.become(well)
	var err error
	m.Server, err = loopback.Open(ctx, m)
	return m, err
}

// become changes the mood, and lets go of what hangs.
func (m *moody) become(next mood) {
	m.mood.Store(int32(next))
	changed := make(chan struct{})
	if last := m.change.Swap(&changed); last != nil {
		close(*last)
	}
}

// swing changes the mood every so often until ctx ends, and then leaves it well.
func (m *moody) swing(ctx context.Context, every time.Duration) {
	defer m.become(well)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for next := failing; ; next = (next + 1) % 3 {
		select {
		case <-tick.C:
			m.become(next)
		case <-ctx.Done():
			return
		}
	}
}

// ServeHTTP answers by mood.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	changed := *m.change.Load()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	m.taken.Add(1)
	switch mood(m.mood.Load()) {
	case failing:
		http.Error(w, "failing", http.StatusInternalServerError)
	case hanging:
		select {
		case <-r.Context().Done():
		case <-changed:
		}
		panic(http.ErrAbortHandler) // returning would answer 200
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// close lets go of what hangs.
func (m *moody) close() error {
	m.become(well)
	return m.Drain()
}
