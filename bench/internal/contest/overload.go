package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
	"posthorn/harness/load"
)

// Overload measures what an engine does with more than it can: what it refuses and how fast, what memory it takes, and whether all is as
// before once it is over.
type Overload struct {
	Engine Posthorn
	For    time.Duration // how long it lasts
	Factor float64       // of the sustainable rate
	Conns  int           // connections of the generator: the most requests under way
	Count  int           // requests that the rate is measured with, before and after
	Rest   time.Duration // from the end of the overload until the rate is to be as before: OverloadRest is promised
	Limit  time.Duration // for all of it
}

// What the project's plan promises.
const (
	overloadMemory = 600 << 20
	overloadGrowth = 0.1 // of memory, from the third quarter to the last
	overloadShare  = 0.8 // of the rate before, which counts as the same
	steadyConns    = 64

	// OverloadRest is how soon after the overload the rate is as before.
	OverloadRest = 5 * time.Second
)

// A strain is what came of an overload.
type strain struct {
	before, after   float64 // calls a second, in a closed loop
	offered         float64 // requests a second
	sent, accepted  int
	refusals, taken stats.Times // from sent to the answer
	memory          []reading
	drained         time.Duration // from the end of the overload until all that was accepted had been called
	repeated, lost  int
}

// Run prints what came of it to out. It returns an error unless all was kept.
func (m Overload) Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	s, err := m.once(ctx)
	if err != nil {
		return err
	}
	if err := s.write(out, m); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, s.judge(m))
}

func (m Overload) once(ctx context.Context) (s strain, err error) {
	server, err := m.Engine.Serve(ctx)
	if err != nil {
		return s, fmt.Errorf("start %s: %w", m.Engine.Name(), err)
	}
	defer func() {
		_, stopped := server.Stop()
		err = errors.Join(err, stopped)
	}()
	base := time.Now()
	// A generator that is faster than any engine on one machine bounds what is kept count of.
	const fastest = 50_000
	o := &overloaded{Overload: m, server: server, base: base, refused: make([]bool, 2*m.Count+int(fastest*m.For.Seconds()))}
	if o.receiver, err = numbered.Receive(ctx, base, len(o.refused)); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, o.receiver.Close()) }()
	if _, err := server.Register(ctx, Company, o.receiver.URL()); err != nil {
		return s, err
	}
	err = o.all(ctx, &s)
	return s, err
}

// An overloaded is an engine on its way through the overload.
type overloaded struct {
	Overload

	server   *Server
	receiver *numbered.Receiver
	base     time.Time
	next     int    // the next number
	refused  []bool // by number
}

// all measures the rate, overloads, measures again once it may be as before, and waits for what was accepted.
func (o *overloaded) all(ctx context.Context, s *strain) (err error) {
	if s.before, err = o.steady(ctx); err != nil {
		return fmt.Errorf("measure the rate: %w", err)
	}
	if err := o.receiver.Wait(ctx, o.next); err != nil {
		return err
	}
	if err := o.strain(ctx, s); err != nil {
		return fmt.Errorf("overload: %w", err)
	}
	ended := time.Now()
	if err := wait(ctx, o.Rest); err != nil {
		return err
	}
	if s.after, err = o.steady(ctx); err != nil {
		return fmt.Errorf("measure the rate again: %w", err)
	}
	if err := o.receiver.Wait(ctx, s.accepted+2*o.Count); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	_, last := o.receiver.Span()
	s.drained, s.repeated = o.base.Add(last).Sub(ended), o.receiver.Repeated()
	for n := range o.next {
		if _, came := o.receiver.Arrival(n); !came && !o.refused[n] {
			s.lost++
		}
	}
	return nil
}

// steady sends Count requests in a closed loop, and returns how many calls were made a second meanwhile, of whatever was accepted when.
func (o *overloaded) steady(ctx context.Context) (float64, error) {
	client := load.NewClient(steadyConns)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, o.target(), numbered.Message("sample.taken"))
	if err != nil {
		return 0, err
	}
	start, arrived := time.Now(), o.receiver.Arrived()
	if _, err := numbered.Closed(ctx, o.base, o.take(o.Count), steadyConns, send); err != nil {
		return 0, err
	}
	if err := o.receiver.Wait(ctx, arrived+o.Count); err != nil {
		return 0, err
	}
	return perSecond(o.receiver.Arrived()-arrived, time.Since(start)), nil
}

func (o *overloaded) target() string { return o.server.URL + companyPath(Company) + "/messages" }

func (o *overloaded) take(count int) numbered.Numbers {
	first := o.next
	o.next += count
	return numbered.Numbers{First: first, Count: count}
}

// strain is the overload itself.
func (o *overloaded) strain(ctx context.Context, s *strain) error {
	client := load.NewClient(o.Conns)
	defer client.CloseIdleConnections()
	send, err := numbered.Ask(client, o.target(), numbered.Message("sample.taken"), o.answered)
	if err != nil {
		return err
	}
	rate := o.Factor * s.before
	s.sent = min(int(rate*o.For.Seconds()), len(o.refused)-2*o.Count)
	numbers := o.take(s.sent)
	stop := watch(ctx, o.server.PID, max(o.For/200, 10*time.Millisecond))
	record, failed := numbered.Open(ctx, o.base, numbers, rate, o.Conns, send)
	if s.memory, err = stop(); failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	var first, last time.Duration = record.Sent[0], 0
	var refusals, taken []time.Duration
	for i, at := range record.Sent {
		first, last = min(first, at), max(last, at)
		if took := record.Accepted[i] - at; o.refused[numbers.First+i] {
			refusals = append(refusals, took)
		} else {
			taken = append(taken, took)
		}
	}
	s.offered, s.accepted = perSecond(s.sent, last-first), len(taken)
	s.refusals, s.taken = stats.TimesOf(refusals), stats.TimesOf(taken)
	return nil
}

// answered takes a 2xx, and a 503 that says when to come again.
func (o *overloaded) answered(n int, res *http.Response, said []byte) error {
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		o.refused[n] = true
		return nil
	default:
		return fmt.Errorf("answered %s, Retry-After %q, want a 2xx or a 503 with Retry-After: %.300q", res.Status, res.Header.Get("Retry-After"), said)
	}
}

func (s strain) write(out io.Writer, m Overload) error {
	memory := most(s.memory)
	_, err := fmt.Fprintf(out, "%g times the sustainable rate for %v, open loop, %d connections; times from sent to answered, in ms\n\n"+
		"%10s%11s%10s%10s%10s%12s%12s%12s%12s%10s%11s%10s%10s\n%10.0f%11.0f%10d%10d%10d%12s%12s%12s%12s%10s%11s%10.0f%10v\n\n",
		m.Factor, m.For, m.Conns,
		"before/s", "offered/s", "sent", "accepted", "refused", "refused p50", "refused p99", "accept p50", "accept p99",
		"resident", "anonymous", "after/s", "drained",
		s.before, s.offered, s.sent, s.accepted, s.sent-s.accepted, inMs(s.refusals.P50), inMs(s.refusals.P99), inMs(s.taken.P50), inMs(s.taken.P99),
		inMiB(memory.Now), inMiB(memory.Anonymous), s.after, s.drained.Round(time.Millisecond))
	return err
}

func (s strain) judge(m Overload) []verdict.Verdict {
	memory, growth := most(s.memory), growthOf(s.memory, func(m child.Memory) int64 { return m.Anonymous })
	offered := verdict.Of(s.sent > s.accepted, "refused %d of %d with 503 and Retry-After, promised for what is beyond", s.sent-s.accepted, s.sent)
	if s.offered < overloadShare*m.Factor*s.before {
		offered.Text += fmt.Sprintf("; scheduled %g times the rate, the machine sent %.1f times, with all %d connections waiting",
			m.Factor, s.offered/s.before, m.Conns)
	}
	return []verdict.Verdict{
		offered,
		verdict.Of(memory.Anonymous < overloadMemory, "memory: %s anonymous at the most, promised under %s",
			inMiB(memory.Anonymous), inMiB(overloadMemory)),
		verdict.Of(growth < overloadGrowth, "memory: %+.0f %% from the third quarter to the last, promised under %.0f %%", 100*growth, 100*overloadGrowth),
		verdict.Of(s.lost == 0, "%d accepted calls lost, promised none", s.lost),
		verdict.Of(s.repeated == 0, "%d calls repeated: leases that ran out, promised none", s.repeated),
		verdict.Of(s.after >= overloadShare*s.before, "%.2f of the rate before, %v after the end, promised %.1f or more",
			s.after/s.before, m.Rest, overloadShare),
	}
}
