package contest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/load"
	"posthorn/bench/internal/sink"
)

// warming is the number of requests before count that are measured: they open the connections and fill the pools.
func warming(count int) int { return min(count, 2000) }

// A run is one contender with a sink of its own, measured once.
type run struct {
	record   load.Record
	arrivals []time.Duration // by index in record, from the same base
	repeated int             // bodies that arrived more than once
	note     string
	usage    child.Usage
}

// measure starts c, warms it, sends count numbered requests by generate, and waits until each has arrived. All of it ends with ctx.
func measure(
	ctx context.Context, c Contender, conns, count int,
	generate func(context.Context, time.Time, load.Numbers, []load.Send) (load.Record, error),
) (r run, err error) {
	base, warm := time.Now(), warming(count)
	s, err := sink.Open(ctx, base, warm+count)
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	target, err := c.Start(ctx, s.URL, conns)
	if err != nil {
		return run{}, fmt.Errorf("start %s: %w", c.Name(), err)
	}
	defer func() {
		usage, stopped := target.Stop()
		r.usage, err = usage, errors.Join(err, stopped)
		if err == nil && target.Check != nil {
			if r.note, err = target.Check(); err != nil {
				err = fmt.Errorf("check %s: %w", c.Name(), err)
			}
		}
	}()
	s.Verify(target.Verify)
	transport := load.NewTransport(conns)
	defer transport.CloseIdleConnections()
	senders, err := load.Posts(transport, target.URL, target.Body, conns)
	if err != nil {
		return run{}, err
	}
	if _, err := load.Closed(ctx, base, load.Numbers{Count: warm}, senders); err != nil {
		return run{}, fmt.Errorf("warm %s: %w", c.Name(), err)
	}
	if err := s.Wait(ctx, warm); err != nil {
		return run{}, fmt.Errorf("warm %s: %w", c.Name(), err)
	}
	if r.record, err = generate(ctx, base, load.Numbers{First: warm, Count: count}, senders); err != nil {
		return run{}, fmt.Errorf("send to %s: %w", c.Name(), err)
	}
	if err := s.Wait(ctx, warm+count); err != nil {
		return run{}, fmt.Errorf("drain %s: %w", c.Name(), err)
	}
	r.repeated = s.Repeated()
	r.arrivals = make([]time.Duration, count)
	for i := range r.arrivals {
		r.arrivals[i], _ = s.Arrival(warm + i) // Wait has seen them all
	}
	return r, nil
}
