package load

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Phase is what a run is at.
type Phase string

// The phases, in their order.
const (
	Registering Phase = "register"
	Triggering  Phase = "trigger"
	Draining    Phase = "drain"
	Comparing   Phase = "compare"
	Removing    Phase = "remove"
)

// Progress is how a run stands.
type Progress struct {
	Phase Phase
	// Since is from the start of triggering; Left is what the phase may still take, 0 if that is not known. In Draining it is when the run
	// gives up if nothing more comes.
	Since, Left time.Duration
	// PerSecond is how many messages were accepted a second since the last time.
	PerSecond float64
	// Accepted and Failed are triggers; Arrived and InFlight, which is still to come, are messages times webhooks.
	Accepted, Failed, Arrived, InFlight int
	// P50 and P99 are of arrival.
	P50, P99 time.Duration
}

// A Sample is how far a run had come at a time; all are totals.
type Sample struct {
	At       float64 `json:"atSeconds"`
	Due      int     `json:"due"`
	Accepted int     `json:"accepted"`
	Arrived  int     `json:"arrived"`
	// Backlog is what was accepted and had not arrived.
	Backlog int `json:"backlog"`
}

// maxSamples is where every second sample is dropped, so that memory stays bounded and a chart has enough.
const maxSamples = 400

// A sampler looks at the ledger at a steady beat.
type sampler struct {
	l       *ledger
	tell    func(Progress)
	samples []Sample

	mu    sync.Mutex
	phase Phase
	until time.Time
}

func (s *sampler) enter(phase Phase, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.until = phase, until
}

// run takes samples until ctx ends, and a last one.
func (s *sampler) run(ctx context.Context, start time.Time) {
	beat := 100 * time.Millisecond
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	s.samples = []Sample{{}}
	last, before, rate := start, 0, 0.0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		now := time.Now()
		c, p50, p99 := s.l.snapshot()
		s.take(now.Sub(start), c)
		if len(s.samples) > maxSamples {
			s.thin()
			beat *= 2
			ticker.Reset(beat)
		}
		ended, took := ctx.Err() != nil, now.Sub(last)
		if took >= time.Second || before == 0 { // else what is left over says little
			rate = perSecond(c.accepted-before, took)
		}
		if s.tell != nil && (ended || took >= time.Second) {
			s.tell(s.progress(now, start, c, p50, p99, rate))
			last, before = now, c.accepted
		}
		if ended {
			return
		}
	}
}

func (s *sampler) take(at time.Duration, c counts) {
	if at <= 0 {
		return
	}
	s.samples = append(s.samples, Sample{
		At: at.Seconds(), Due: s.l.pace.DueBy(at), Accepted: c.accepted, Arrived: c.arrived, Backlog: max(0, c.expected-c.arrived),
	})
}

// thin drops every second sample.
func (s *sampler) thin() {
	kept := s.samples[:0]
	for one := range slices.Chunk(s.samples, 2) {
		kept = append(kept, one[0])
	}
	s.samples = kept
}

func (s *sampler) progress(now, start time.Time, c counts, p50, p99 time.Duration, rate float64) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{
		Phase: s.phase, Since: now.Sub(start), PerSecond: rate, Accepted: c.accepted, Failed: c.refused, Arrived: c.arrived,
		InFlight: max(0, c.expected-c.arrived), P50: p50, P99: p99,
	}
	if !s.until.IsZero() {
		p.Left = max(0, s.until.Sub(now))
	}
	return p
}
