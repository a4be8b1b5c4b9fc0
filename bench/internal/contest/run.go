package contest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/harness/load"
)

// warming is the number of requests before count that are measured: they open the connections and fill the pools.
func warming(count int) int { return min(count, 2000) }

// A run is one contender with a receiver of its own, measured once.
type run struct {
	record   numbered.Record
	arrivals []time.Duration // by index in record, from the same base
	repeated int             // bodies that arrived more than once
	cost     Cost
	usage    child.Usage
}

// measure starts c, warms it, sends count numbered requests by generate, and waits until each has arrived. All of it ends with ctx.
func measure(
	ctx context.Context, c Contender, conns, count int,
	generate func(ctx context.Context, base time.Time, numbers numbered.Numbers, conns int, send numbered.Send) (numbered.Record, error),
) (r run, err error) {
	base, warm := time.Now(), warming(count)
	receiver, err := numbered.Receive(ctx, base, warm+count)
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	target, err := c.Start(ctx, receiver.URL(), conns)
	if err != nil {
		return run{}, fmt.Errorf("start %s: %w", c.Name(), err)
	}
	defer func() {
		usage, stopped := target.Stop()
		r.usage, err = usage, errors.Join(err, stopped)
		if err == nil && target.Check != nil {
			if r.cost, err = target.Check(); err != nil {
				err = fmt.Errorf("check %s: %w", c.Name(), err)
			}
		}
	}()
	if err := receiver.SetSecret(target.Secret); err != nil {
		return run{}, fmt.Errorf("start %s: %w", c.Name(), err)
	}
	client := load.NewClient(conns)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, target.URL, target.Body)
	if err != nil {
		return run{}, err
	}
	if _, err := numbered.Closed(ctx, base, numbered.Numbers{Count: warm}, conns, send); err != nil {
		return run{}, fmt.Errorf("warm %s: %w", c.Name(), err)
	}
	if err := receiver.Wait(ctx, warm); err != nil {
		return run{}, fmt.Errorf("warm %s: %w", c.Name(), err)
	}
	if r.record, err = generate(ctx, base, numbered.Numbers{First: warm, Count: count}, conns, send); err != nil {
		return run{}, fmt.Errorf("send to %s: %w", c.Name(), err)
	}
	if err := receiver.Wait(ctx, warm+count); err != nil {
		return run{}, fmt.Errorf("drain %s: %w", c.Name(), err)
	}
	r.repeated = receiver.Repeated()
	r.arrivals = make([]time.Duration, count)
	for i := range r.arrivals {
		r.arrivals[i], _ = receiver.Arrival(warm + i) // Wait has seen them all
	}
	return r, nil
}
