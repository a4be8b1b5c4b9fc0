package contest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"posthorn/bench/internal/payload"
	"posthorn/bench/internal/sink"
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
func (p Posthorn) Start(ctx context.Context, sinkURL string, _ int) (Target, error) {
	s, err := p.Serve(ctx)
	if err != nil {
		return Target{}, err
	}
	secret, err := s.RegisterSeed(ctx, Company, sinkURL)
	if err != nil {
		_, stopped := s.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	verify, err := verifier(secret)
	if err != nil {
		_, stopped := s.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	return Target{
		URL: s.URL + "/candidates", Body: payload.Candidate(Company), Verify: verify, Check: s.Syncs, Stop: s.Stop,
	}, nil
}

// verifier checks signatures with the library of those who wrote the standard, and none of our code.
func verifier(secret string) (sink.Verify, error) {
	judge, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return func(h http.Header, body []byte) error { return judge.Verify(body, h) }, nil
}
