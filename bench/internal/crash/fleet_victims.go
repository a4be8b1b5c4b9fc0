package crash

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// What can fall in a fleet.
const (
	EngineKilled      = "engine killed"
	DispatcherKilled  = "dispatcher killed"
	DispatcherStopped = "dispatcher stopped" // by SIGTERM: it drains
	BrokerKilled      = "broker killed"      // one of its nodes
)

const (
	sigkill = "SIGKILL"
	sigterm = "SIGTERM"
)

// A victim is a process with what is done to it.
type victim struct {
	kind, what, how string
	fall            func() error
	// rise returns when it serves again, with the commands that it left unanswered.
	rise func(ctx context.Context) (unanswered int, err error)
}

// longestDown is the most that passes before what fell is started again.
const longestDown = 2 * time.Second

// victims are those that a kind of kill can fall on now.
func (r *raid) victims(kind string) (out []victim) {
	down := time.Duration(r.rand.Int64N(int64(longestDown)))
	switch kind {
	case EngineKilled:
		out = []victim{r.engine(down)}
	case DispatcherKilled, DispatcherStopped:
		for i := range r.fleet.dispatchers {
			out = append(out, r.dispatcher(kind, i, down))
		}
	case BrokerKilled:
		if slices.ContainsFunc(r.nodes(down), r.isDown) {
			return nil // a majority of the nodes must be left
		}
		out = r.nodes(down)
	}
	return slices.DeleteFunc(out, r.isDown)
}

func (r *raid) isDown(v victim) bool { return r.down[v.what] }

// engine falls with its door shut, which opens when it is back.
func (r *raid) engine(down time.Duration) victim {
	door := r.clients.door
	return victim{
		kind: EngineKilled, what: "engine", how: sigkill,
		fall: func() error {
			door.shut()
			return r.server.kill()
		},
		rise: func(ctx context.Context) (int, error) {
			unanswered, err := door.left(ctx)
			if err != nil {
				return 0, fmt.Errorf("commands to an engine that is dead do not end: %w", err)
			}
			if err := pause(ctx, down); err != nil {
				return 0, err
			}
			r.witness.serverStarts()
			if err := r.server.start(ctx); err != nil {
				return 0, err
			}
			door.reopen(true)
			return unanswered, nil
		},
	}
}

// dispatcher is killed, or stopped once the moment is noted: that takes it a while.
func (r *raid) dispatcher(kind string, n int, down time.Duration) victim {
	d := r.fleet.dispatchers[n]
	v := victim{kind: kind, what: fmt.Sprintf("dispatcher %d", n+1), how: sigkill, fall: d.kill}
	stop := func() error { return nil }
	if kind == DispatcherStopped {
		v.how, v.fall, stop = sigterm, stop, d.stop
	}
	v.rise = func(ctx context.Context) (int, error) {
		if err := stop(); err != nil {
			return 0, err
		}
		if err := pause(ctx, down); err != nil {
			return 0, err
		}
		return 0, d.start(ctx)
	}
	return v
}

func (r *raid) nodes(down time.Duration) (out []victim) {
	for i, node := range r.fleet.nodes {
		out = append(out, victim{
			kind: BrokerKilled, what: fmt.Sprintf("broker node %d", i+1), how: sigkill,
			fall: func() error {
				node.Kill()
				return nil
			},
			rise: func(ctx context.Context) (int, error) {
				if err := pause(ctx, down); err != nil {
					return 0, err
				}
				return 0, node.Restart(ctx)
			},
		})
	}
	return out
}
