// Package crash kills the engine by SIGKILL again and again while it accepts and delivers, starts it again at once over the same
// directory, and afterwards holds what the API tells against what clients and receiver saw. With a Fleet it does so to an engine, its
// dispatchers and their broker. A Sequential run also holds the order of what came to each webhook against the order of the log.
//
// Read next: crash.go for the run, kills.go for when a kill falls, judge.go for what must hold; for a fleet fleet.go, fleet_kills.go and
// fleet_judge.go; for sequential webhooks order.go and order_judge.go.
package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A Run is what is to be done.
type Run struct {
	// Binary is the path of cmd/posthorn, Dir where the data directory is made: on a real disk.
	Binary, Dir string
	// Kills is how many must fall while a command is unanswered and an attempt is under way; those that do not are not counted. In a
	// fleet no command need be unanswered, for most of its kills do not concern the clients.
	Kills int
	// Candidates is how many are created at least; more are until the last kill has fallen, but not in a fleet, whose kills are spread over
	// the deliveries. In a Sequential run they are messages.
	Candidates int
	// Sequential is how many webhooks are told one call after the other, of receivers that fail many attempts; 0 stands for three webhooks
	// without an order.
	Sequential int
	// Conns is how many clients create, each waiting for its answer.
	Conns int
	// Seed decides the moments of the kills, as far as a seed can.
	Seed uint64
	// Limit bounds the whole run; 0 means 10 s for each kill and two minutes, in a fleet 30 s for each and five minutes.
	Limit time.Duration
	// Fleet makes the calls; nil leaves them to the engine.
	Fleet *Fleet
}

const grace = 2 * time.Minute // for what is not killing: warming up, the backlog's end, the account

// Run kills, accounts and prints to out. It returns an error if anything was lost, repeated without need or told otherwise than it was seen;
// the data directory stays then.
func (r Run) Run(ctx context.Context, out io.Writer) error {
	if r.Limit == 0 && r.Fleet != nil {
		r.Limit = time.Duration(r.Kills)*30*time.Second + 5*time.Minute
	} else if r.Limit == 0 {
		r.Limit = time.Duration(r.Kills)*10*time.Second + grace
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	began := time.Now()
	dir, err := workspace(r.Dir)
	if err != nil {
		return err
	}
	t, err := r.endure(ctx, dir)
	if err != nil {
		return fmt.Errorf("crash run over %s, which stays: %w", dir, err)
	}
	v := t.judge()
	if err := v.print(out, time.Since(began)); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if n := len(v.faults); n > 0 {
		return fmt.Errorf("FAIL: %d faults, see above; the data is in %s", n, dir)
	}
	return os.RemoveAll(dir)
}

// between is how many candidates are accepted between two kills, in the mean.
func (r Run) between() int { return max(1, r.Candidates/r.Kills) }

func workspace(parent string) (string, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", fmt.Errorf("make a data directory: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "crash-")
	if err != nil {
		return "", fmt.Errorf("make a data directory: %w", err)
	}
	return dir, nil
}

// endure is the run itself: kills under load, the backlog's end, and the log verified and folded again.
func (r Run) endure(ctx context.Context, dir string) (t *testimony, err error) {
	f, err := r.Fleet.open(ctx, r.Binary, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end(err)) }()
	s, err := newServer(ctx, r.Binary, dir, f.env, f.flags...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end(err)) }()
	w, err := newWitness(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	t = &testimony{
		fleet: r.Fleet != nil, began: time.Now(),
		companies: []string{keyedCompany, seedCompany}, tries: len(schedule()) + 1, timeout: defaultTimeout,
	}
	register := w.register
	if r.Sequential > 0 {
		t.ordered = newOrdered(r.Sequential, w)
		t.companies, t.tries, t.timeout = t.ordered.companies, len(orderedSchedule(0))+1, orderedTimeout
		register = t.ordered.register
	}
	if err := register(ctx, s.api); err != nil {
		return nil, err
	}
	if t.kills, t.told, err = r.create(ctx, s, w, f, t.ordered); err != nil {
		return nil, err
	}
	if err := s.api.settled(ctx, t.companies); err != nil {
		return nil, fmt.Errorf("wait for the calls to end: %w", err)
	}
	if err := f.quiet(ctx, w); err != nil {
		return nil, err
	}
	if err := t.take(ctx, s, w); err != nil {
		return nil, err
	}
	return t, nil
}

// create runs the clients and the killer until there are enough of both.
func (r Run) create(ctx context.Context, s *server, w *witness, f *fleet, o *ordered) ([]kill, accepted, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := newClients(s.api, newDoor(), o, r.Candidates)
	var k interface {
		run(ctx context.Context) error
		fallen() (all []kill, counted int)
	} = newKiller(r, s, w, c)
	if r.Fleet != nil {
		c.lastKillFell() // so that there is an end to what is created
		k = newRaid(r, s, w, c, f)
	}
	var all sync.WaitGroup
	for range r.Conns {
		all.Go(func() { // ends when enough are created, or with ctx
			if err := c.create(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Go(func() { // ends with the last kill, or with ctx
		if err := k.run(ctx); err != nil {
			cancel(err)
		}
		c.lastKillFell()
	})
	all.Wait()
	kills, counted := k.fallen()
	if err := context.Cause(ctx); err != nil {
		return nil, accepted{}, fmt.Errorf("%d of %d kills, %d accepted: %w", counted, r.Kills, c.accepted(), err)
	}
	return kills, c.told, nil
}
