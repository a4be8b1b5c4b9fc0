package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/verdict"
	"posthorn/harness/load"
)

// Idle measures what an engine costs that has nothing to do: fresh from its start, and after work.
type Idle struct {
	Engine Posthorn
	Settle time.Duration // from the start, and from the end of the work, to the measurement
	For    time.Duration // how long each measurement lasts
	After  int           // candidates delivered before the second measurement, 0 for none
	Limit  time.Duration // for all of it
}

// What the project's plan promises of an idle engine, over 30 s.
const (
	idleMemory = 100 << 20
	idleShare  = 0.01 // of one processor
)

// A rest is what an engine used while it was idle.
type rest struct {
	cpu, took time.Duration
	memory    int64 // the most of what was resident
}

// Run prints what the engine used to out. It returns an error unless the fresh one kept what is promised; what remains after work is
// told, and not judged.
func (m Idle) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	s, err := m.Engine.Serve(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w", m.Engine.Name(), err)
	}
	defer func() {
		_, stopped := s.Stop()
		err = errors.Join(err, stopped)
	}()
	fresh, err := m.watch(ctx, s.PID)
	if err != nil {
		return err
	}
	if err := tell(out, "fresh", fresh); err != nil {
		return err
	}
	if m.After > 0 {
		if err := work(ctx, s, m.After); err != nil {
			return fmt.Errorf("work: %w", err)
		}
		worked, err := m.watch(ctx, s.PID)
		if err != nil {
			return err
		}
		if err := tell(out, fmt.Sprintf("after %d candidates", m.After), worked); err != nil {
			return err
		}
	}
	return verdict.Report(out, judgeIdle(fresh))
}

func tell(out io.Writer, when string, r rest) error {
	_, err := fmt.Fprintf(out, "%s: %s resident, %v of processor time in %v (%.2f %% of one)\n",
		when, inMiB(r.memory), r.cpu, r.took.Round(time.Millisecond), 100*r.share())
	return err
}

func (r rest) share() float64 { return r.cpu.Seconds() / r.took.Seconds() }

func judgeIdle(r rest) []verdict.Verdict {
	return []verdict.Verdict{
		verdict.Of(r.memory < idleMemory, "idle memory: %s, promised under %s", inMiB(r.memory), inMiB(idleMemory)),
		verdict.Of(r.share() < idleShare, "idle processor time: %.2f %%, promised under %.0f %%", 100*r.share(), 100*idleShare),
	}
}

// watch lets the process settle, and then looks at its memory every second, and at its processor time before and after.
func (m Idle) watch(ctx context.Context, pid int) (rest, error) {
	if err := wait(ctx, m.Settle); err != nil {
		return rest{}, err
	}
	before, err := child.CPUOf(pid)
	if err != nil {
		return rest{}, err
	}
	start := time.Now()
	var r rest
	for left := m.For; left > 0; left = m.For - time.Since(start) {
		if err := wait(ctx, min(left, time.Second)); err != nil {
			return rest{}, err
		}
		memory, err := child.MemoryOf(pid)
		if err != nil {
			return rest{}, err
		}
		r.memory = max(r.memory, memory.Now)
	}
	r.took = time.Since(start)
	after, err := child.CPUOf(pid)
	r.cpu = after - before
	return r, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work makes the server deliver count candidates, and lets go of all connections.
func work(ctx context.Context, s *Server, count int) (err error) {
	base := time.Now()
	receiver, err := numbered.Receive(ctx, base, count)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	if _, err := s.RegisterSeed(ctx, Company, receiver.URL()); err != nil {
		return err
	}
	client := load.NewClient(clients)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, s.URL+"/candidates", numbered.Candidate(Company))
	if err != nil {
		return err
	}
	if _, err := numbered.Closed(ctx, base, numbered.Numbers{Count: count}, clients, send); err != nil {
		return err
	}
	return receiver.Wait(ctx, count)
}
