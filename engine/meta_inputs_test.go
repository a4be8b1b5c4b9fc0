package engine

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
)

// OpenWithJitter is Open with one jitter, in [0, 1), for every decision: the order in which outcomes are decided then does not show in the
// times that they are given.
func OpenWithJitter(ctx context.Context, o Options, jitter float64) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, errors.Join(err, abandon(o))
	}
	e, err := prepare(ctx, o)
	if err != nil {
		return nil, errors.Join(err, abandon(o))
	}
	e.writer.inputs.jitter = mathrand.New(still(jitter * (1 << 53))) // Float64 takes the low 53 bits
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// still is a source that says always the same.
type still uint64

func (s still) Uint64() uint64 { return uint64(s) }
