// Package contest measures contenders against each other: each gets the same requests from the same generator, and delivers to
// the same receiver. The raw ones say what the machine can do at all. Read next: rate.go for deliveries a second, latency.go for
// times at a steady rate.
package contest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/forward"
	"posthorn/bench/internal/numbered"
)

// A Contender takes requests and delivers them to the receiver.
type Contender interface {
	// Name is its name in the tables; no two have the same.
	Name() string
	// Start begins a run of its own, with nothing left of the last, for a generator of conns connections and a receiver at the URL
	// to. It returns once requests are taken.
	Start(ctx context.Context, to string, conns int) (Target, error)
}

// A Target is a contender that runs.
type Target struct {
	// URL takes the posts, and Body is what is posted: one of package numbered, numbered anew each time.
	URL  string
	Body []byte
	// Secret, if set, is what the receiver verifies with, as [harness.Receiver.SetSecret] takes it; a run in which anything fails the
	// check has failed.
	Secret string
	// Check, if set, is asked once everything has arrived and Stop has returned: for what the run has cost, or for why it does not count.
	Check func() (Cost, error)
	// Stop ends it and waits for its end. It is called once.
	Stop func() (child.Usage, error)
}

// A Cost is what a contender has counted in its whole life, the warming included.
type Cost struct {
	Syncs     int
	Envelopes int // put on the transport
	Bytes     int // of their bodies
}

// String is the cost as a note.
func (c Cost) String() string {
	return fmt.Sprintf("%d syncs, %d envelopes of %d KiB in all", c.Syncs, c.Envelopes, c.Bytes>>10)
}

// SingleHop is the generator talking to the receiver itself: the most that is possible.
type SingleHop struct{}

// Name implements Contender.
func (SingleHop) Name() string { return "single-hop" }

// Start implements Contender.
func (SingleHop) Start(_ context.Context, to string, _ int) (Target, error) {
	return Target{URL: to, Body: numbered.Delivered(), Stop: func() (child.Usage, error) { return child.Usage{}, nil }}, nil
}

// TwoHop is a plain forwarder between generator and receiver, in a process of its own: the most that is possible for a system that
// stands between, and what the others' share is counted of.
type TwoHop struct{}

// Name implements Contender.
func (TwoHop) Name() string { return "two-hop" }

// Start implements Contender.
func (TwoHop) Start(ctx context.Context, to string, conns int) (Target, error) {
	self, err := ourselves("forward", "--to", to, "--conns", strconv.Itoa(conns))
	if err != nil {
		return Target{}, err
	}
	c, err := child.Start(ctx, self, forward.ListeningAt)
	if err != nil {
		return Target{}, err
	}
	return Target{URL: c.URL, Body: numbered.Delivered(), Stop: c.Stop}, nil
}

// ourselves runs this program again with other arguments.
func ourselves(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.Command(self, args...), nil //nolint:gosec,noctx // Stop of its child ends it
}
