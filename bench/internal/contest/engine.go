package contest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"posthorn/bench/internal/numbered"
)

// Company is the one that the benchmark's candidates belong to.
const Company = "bench"

// Posthorn is this project's engine, as its binary serves it: durable, in a directory of its own on the disk.
type Posthorn struct {
	// Binary is the path of cmd/posthorn, Dir where the data directories are made: on a real disk, for syncs cost nothing elsewhere.
	Binary, Dir string
	// Transport carries its tasks and outcomes; the zero value is the one within the process.
	Transport Transport
	// NoBreaker calls webhooks as their schedules say, however many attempts fail.
	NoBreaker bool
	// Retention is how long it keeps calls; 0 for ever.
	Retention time.Duration
	// Behind runs it with a lower priority than the generator, which else waits for a processor as long as the calls that it measures.
	Behind bool
}

// A Transport is what carries tasks and outcomes: within the process, or a broker beside it, which is not the engine's.
type Transport struct {
	Name string
	URL  string // as --transport takes it, without a prefix; empty is within the process
	PID  int    // of the broker, 0 for none
	// Aim is what the project's plan wants of the deliveries a second, as a share of those within the process, and Carried the most that
	// the p99 from accepted to arrived may be at 100 a second; 0 is nothing.
	Aim     float64
	Carried time.Duration
}

// fresh is the URL with topics that nobody has used.
func (t Transport) fresh() string {
	separator := "?"
	if strings.Contains(t.URL, "?") {
		separator = "&"
	}
	return t.URL + separator + "prefix=bench-" + strings.ToLower(rand.Text()[:8])
}

// Name implements Contender.
func (p Posthorn) Name() string {
	switch {
	case p.Retention > 0:
		return "posthorn keeping " + p.Retention.String()
	case p.Transport.URL != "":
		return "posthorn over " + p.Transport.Name
	}
	return "posthorn"
}

// promises are those of the project's plan.
func (p Posthorn) promises() []promise {
	switch {
	case p.Transport.URL == "":
		return []promise{
			{1000, toAccepted + " p99", func(t times) time.Duration { return t.accepted.P99 }, 20 * time.Millisecond},
			{1000, toCarried + " p99", func(t times) time.Duration { return t.carried.P99 }, 25 * time.Millisecond},
			{100, toCarried + " p50", func(t times) time.Duration { return t.carried.P50 }, 3 * time.Millisecond},
		}
	case p.Transport.Carried > 0:
		return []promise{{100, toCarried + " p99", func(t times) time.Duration { return t.carried.P99 }, p.Transport.Carried}}
	default:
		return nil
	}
}

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
	return Target{URL: s.URL + "/candidates", Body: numbered.Candidate(Company), Secret: secret, Check: s.Cost, Stop: s.Stop}, nil
}
