// Package contest measures contenders against each other: each gets the same requests from the same generator, and delivers to
// the same sink. The raw ones say what the machine can do at all. Read next: rate.go for deliveries a second, latency.go for
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
	"posthorn/bench/internal/payload"
	"posthorn/bench/internal/sink"
)

// A Contender takes requests and delivers them to the sink.
type Contender interface {
	// Name is its name in the tables; no two have the same.
	Name() string
	// Start begins a run of its own, with nothing left of the last, for a generator of conns connections and a sink at sinkURL. It
	// returns once requests are taken.
	Start(ctx context.Context, sinkURL string, conns int) (Target, error)
}

// A Target is a contender that runs.
type Target struct {
	// URL takes the posts, and Body is what is posted: one of package payload, numbered anew each time.
	URL  string
	Body []byte
	// Verify, if set, checks what arrives at the sink; a run in which anything is refused has failed.
	Verify sink.Verify
	// Check, if set, is asked once everything has arrived and Stop has returned: for what the table should say of the run (syncs
	// counted, say), or for why the run does not count.
	Check func() (note string, err error)
	// Stop ends it and waits for its end. It is called once.
	Stop func() (child.Usage, error)
}

// SingleHop is the generator talking to the sink itself: the most that is possible.
type SingleHop struct{}

// Name implements Contender.
func (SingleHop) Name() string { return "single-hop" }

// Start implements Contender.
func (SingleHop) Start(_ context.Context, sinkURL string, _ int) (Target, error) {
	return Target{URL: sinkURL, Body: payload.Delivered(), Stop: func() (child.Usage, error) { return child.Usage{}, nil }}, nil
}

// TwoHop is a plain forwarder between generator and sink, in a process of its own: the most that is possible for a system that
// stands between, and what the others' share is counted of.
type TwoHop struct{}

// Name implements Contender.
func (TwoHop) Name() string { return "two-hop" }

// Start implements Contender.
func (TwoHop) Start(ctx context.Context, sinkURL string, conns int) (Target, error) {
	c, err := startForward(ctx, "--to", sinkURL, "--conns", strconv.Itoa(conns))
	if err != nil {
		return Target{}, err
	}
	return Target{URL: c.URL, Body: payload.Delivered(), Stop: c.Stop}, nil
}

// startForward runs this program again with the verb "forward".
func startForward(ctx context.Context, args ...string) (*child.Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, append([]string{"forward"}, args...)...) //nolint:gosec,noctx // ourselves; Stop ends it
	cmd.Stderr = os.Stderr
	return child.Start(ctx, cmd, forward.ListeningAt)
}
