package contest

import (
	"context"
	"errors"

	"posthorn/bench/internal/numbered"
)

// Company is the one that the benchmark's candidates belong to.
const Company = "bench"

// Posthorn is this project's engine, as its binary serves it: durable, in a directory of its own on the disk.
type Posthorn struct {
	// Binary is the path of cmd/posthorn, Dir where the data directories are made: on a real disk, for syncs cost nothing elsewhere.
	Binary, Dir string
}

// Name implements Contender.
func (Posthorn) Name() string { return "posthorn" }

// Start implements Contender: one webhook through the seed's route, and the seed's route for candidates.
func (p Posthorn) Start(ctx context.Context, to string, _ int) (Target, error) {
	s, err := p.Serve(ctx)
	if err != nil {
		return Target{}, err
	}
	secret, err := s.RegisterSeed(ctx, Company, to)
	if err != nil {
		_, stopped := s.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	return Target{URL: s.URL + "/candidates", Body: numbered.Candidate(Company), Secret: secret, Check: s.Syncs, Stop: s.Stop}, nil
}
