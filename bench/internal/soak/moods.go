package soak

import (
	"context"
	"net/http"
	"time"

	"posthorn/harness"
)

// A mood is how a receiver answers.
type mood int

const (
	well    mood = iota // 204
	failing             // 500
	hanging             // nothing, until its client gives up or the mood changes
)

// A moody is a receiver that is well, fails and hangs in turn. become is for one goroutine, the receiver's methods are for many.
type moody struct {
	*harness.Receiver

	change chan struct{} // closed when the mood changes
}

func openMoody(ctx context.Context) (*moody, error) {
	r, err := harness.Start(context.WithoutCancel(ctx), harness.Options{Keep: -1, DropBodies: true})
	return &moody{r, make(chan struct{})}, err
}

// become changes the mood, and lets go of what hangs, whose connections are reset.
func (m *moody) become(next mood) {
	last := m.change
	m.change = make(chan struct{})
	switch next {
	case failing:
		m.Script(harness.Reply{Status: http.StatusInternalServerError, Keep: true})
	case hanging:
		m.Script(harness.Reply{Hold: m.change, Fault: harness.Reset, Keep: true})
	default:
		m.Script()
	}
	close(last)
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
