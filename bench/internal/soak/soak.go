// Package soak lets an engine work for as long as one likes: with a mixed load, receivers that fail and hang and recover, and kills with
// restarts over the same directory. It prints what the engine holds as time passes, and judges that it does not grow. Read next:
// traffic.go for the load, moods.go for the receivers, probe.go for what is looked at.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/numbered"
)

// A Soak is one run.
type Soak struct {
	// Engine is what works. Its binary is to be this program, whose verb serve tells how many goroutines it has.
	Engine contest.Posthorn
	For    time.Duration // how long the load lasts
	Rate   float64       // requests a second
	Kills  int           // that fall evenly over the first third of it: what is compared later is to be of one process
	Drain  time.Duration // the most time for what is left when the load has ended
}

const (
	conns     = 32
	lines     = 32 // printed over the whole time, as many in each quarter
	swingMost = 30 * time.Second
)

// swing is how long a mood lasts: every quarter of the time holds the three of them equally often.
func (s Soak) swing() time.Duration {
	rounds := max(1, (s.For/4+3*swingMost-1)/(3*swingMost))
	return s.For / 4 / (3 * rounds)
}

// schedule makes up for a receiver that has failed and hung: what waits in all is longer than it does that.
func schedule() []string { return []string{"1s", "2s", "4s", "8s", "15s", "30s", "1m", "2m", "4m"} }

// A run is a soak under way.
type run struct {
	Soak

	dir      string
	base     time.Time
	count    int // requests
	receiver *numbered.Receiver
	moody    *moody
	traffic  traffic
	out      io.Writer

	mu      sync.Mutex // guards what follows: a restart must not fall into a look
	kills   int
	samples []sample
}

// Run prints a line now and then, and what was promised beside what was seen. It returns an error unless nothing was lost and nothing
// that the engine holds grew.
func (s Soak) Run(ctx context.Context, out io.Writer) (err error) {
	s.Engine.NoBreaker = true // what fails here is planned, and a breaker would hold it back for longer than a short run waits
	r := &run{Soak: s, base: time.Now(), count: max(10, int(s.Rate*s.For.Seconds())), out: out}
	if r.dir, err = s.Engine.Workspace(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.receiver, err = numbered.Receive(ctx, r.base, wellHooks*r.count); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.receiver.Close()) }()
	if r.moody, err = openMoody(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.moody.Close()) }()
	server, err := s.Engine.ServeIn(ctx, r.dir)
	if err != nil {
		return err
	}
	r.traffic.server.Store(server)
	defer func() {
		if s := r.traffic.server.Load(); s != nil {
			_, stopped := s.Stop()
			err = errors.Join(err, stopped)
		}
	}()
	if err := r.register(ctx, server); err != nil {
		return err
	}
	ended, err := r.all(ctx)
	if err != nil {
		return err
	}
	return r.judge(ended)
}

func (r *run) register(ctx context.Context, s *contest.Server) error {
	for c := range companies {
		hooks := []map[string]any{{"url": r.moody.URL(), "eventTypes": []string{"*"}, "timeout": "1s", "schedule": schedule()}}
		for w := range wellHooks {
			hooks = append(hooks, map[string]any{
				"url": r.receiver.URL() + "/" + strconv.Itoa(w*r.count), "eventTypes": []string{eventType, "candidate.created"},
			})
		}
		for _, h := range hooks {
			if err := s.Post(ctx, "/v1/companies/"+company(c)+"/webhooks", h, new(any)); err != nil {
				return err
			}
		}
	}
	return nil
}

// all lets load, moods, kills and looks go on together until the load has ended, and then waits until every call has. It returns how many
// ended in another state than succeeded.
func (r *run) all(ctx context.Context) (failed int, err error) {
	if _, err := fmt.Fprintf(r.out, "soak for %v: %g requests a second, %d companies with %d webhooks each, one of them moody, %d kills\n\n",
		r.For, r.Rate, companies, wellHooks+1, r.Kills); err != nil {
		return 0, fmt.Errorf("print: %w", err)
	}
	if err := head(r.out); err != nil {
		return 0, err
	}
	during, over := context.WithCancelCause(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer over(nil)
	others.Go(func() { r.moody.swing(during, r.swing()) })
	for _, work := range []func(context.Context) error{r.killAll, r.lookOn} {
		others.Go(func() {
			if err := work(during); err != nil {
				over(err) // ends the load
			}
		})
	}
	_, err = numbered.Open(during, r.base, numbered.Numbers{Count: r.count}, r.Rate, conns, r.traffic.send)
	over(err)
	others.Wait()
	if err != nil {
		return 0, err
	}
	return r.drain(ctx)
}

// unlessOver forgives what the end of ctx has broken off.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// killAll kills the engine evenly over the first third of the time, and starts it again at once.
func (r *run) killAll(ctx context.Context) error {
	for k := range r.Kills {
		due := r.For / 3 * time.Duration(k+1) / time.Duration(r.Kills)
		if !sleep(ctx, due-time.Since(r.base)) {
			return nil
		}
		if err := r.restart(ctx); err != nil {
			return fmt.Errorf("kill %d: %w", k+1, err)
		}
	}
	return nil
}

func (r *run) restart(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.traffic.server.Load().Kill(); err != nil {
		return err
	}
	s, err := r.Engine.ServeIn(context.WithoutCancel(ctx), r.dir) // it must not be left half started when the load ends
	if err != nil {
		return err
	}
	r.kills++
	r.traffic.server.Store(s)
	return nil
}

// lookOn looks at the engine every second, and prints the average of some looks as a line.
func (r *run) lookOn(ctx context.Context) error {
	every := min(time.Second, r.For/lines)
	line := max(1, int(r.For/lines/every))
	var looks []sample
	for sleep(ctx, every) {
		s, err := r.look(ctx)
		if err != nil {
			return unlessOver(ctx, fmt.Errorf("look at the engine: %w", err))
		}
		if looks = append(looks, s); len(looks) < line {
			continue
		}
		s = average(looks)
		r.samples, looks = append(r.samples, s), nil
		if err := s.write(r.out); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) look(ctx context.Context) (sample, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := look(ctx, r.traffic.server.Load(), r.dir)
	s.at, s.kills = time.Since(r.base), r.kills
	s.calls = float64(r.receiver.Arrived()) + float64(r.moody.Account().Deliveries)
	return s, err
}

// drain waits until no call is pending, and counts those that did not succeed.
func (r *run) drain(ctx context.Context) (failed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Drain)
	defer cancel()
	for {
		pending, err := r.inState(ctx, "pending")
		if err != nil {
			return 0, err
		}
		if pending == 0 {
			break
		}
		if !sleep(ctx, time.Second) {
			return 0, fmt.Errorf("%d calls have not ended %v after the load", pending, r.Drain)
		}
	}
	for _, state := range []string{"failed", "skipped", "cancelled"} {
		n, err := r.inState(ctx, state)
		if err != nil {
			return 0, err
		}
		failed += n
	}
	return failed, nil
}

func (r *run) inState(ctx context.Context, state string) (sum int, err error) {
	for c := range companies {
		n, err := r.traffic.server.Load().Calls(ctx, company(c), state)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// sleep waits for a time, and tells whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
