package contest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/harness"
)

// A trouble is what a healthy webhook has beside it.
type trouble struct {
	name    string
	hanging int // webhooks whose receiver takes requests and never answers
	waiting int // calls for one webhook that nobody listens for
	flood   *flood
}

// How the webhooks in trouble are fed, so that none of their queues is ever empty: calls that end in nothing are tried again for days.
const (
	hangingCompanies = 50 // that the hanging webhooks are spread over, at the most
	backlog          = 8  // messages for each company before the measurement: more than a webhook is called with at once at first
	feedRate         = 10 // messages a second during it, for all of these companies together
	newcomerRate     = 0.2
)

// nobody is where the dead webhook's receiver would be: tcpmux, a port that only root could listen on, and nobody does.
const nobody = "http://127.0.0.1:1/"

// beside is an engine with a healthy webhook that is measured, and others in trouble. It is started once.
type beside struct {
	Posthorn

	trouble trouble
	server  *Server
	hung    *harness.Receiver

	mu   sync.Mutex // guards what follows
	held int        // the most requests that hung has held at once
}

func (b *beside) companies() int {
	if b.trouble.waiting > 0 {
		return 1
	}
	return min(b.trouble.hanging, hangingCompanies)
}

func company(i int) string { return "troubled-" + strconv.Itoa(i) }

// calls is how many follow from the first n messages that are told to the companies in turn.
func (b *beside) calls(n int) (sum int) {
	if b.trouble.waiting > 0 {
		return n
	}
	for i := range b.trouble.hanging {
		c := i % b.companies()
		sum += (n - c + b.companies() - 1) / b.companies()
	}
	return sum
}

// Start implements Contender: the webhooks are registered, and nobody in trouble has been told anything yet.
func (b *beside) Start(ctx context.Context, to string, _ int) (t Target, err error) {
	if b.server, err = b.Serve(ctx); err != nil {
		return Target{}, err
	}
	if b.hung, err = b.hang(ctx); err != nil {
		_, stopped := b.server.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	t = Target{
		URL: b.server.URL + companyPath(Company) + "/messages", Body: numbered.Message("sample.taken"),
		Check: b.server.Cost, Stop: b.stop,
	}
	if t.Secret, err = b.server.Register(ctx, Company, to); err == nil {
		err = b.register(ctx)
	}
	if err != nil {
		_, stopped := b.stop() //nolint:contextcheck // it must stop when ctx has ended too
		return Target{}, errors.Join(err, stopped)
	}
	return t, nil
}

func (b *beside) register(ctx context.Context) error {
	if b.trouble.waiting > 0 {
		_, err := b.server.Register(ctx, company(0), nobody)
		return err
	}
	if b.trouble.flood != nil {
		return b.trouble.flood.open(ctx, b.server)
	}
	if b.trouble.hanging == 0 {
		return nil
	}
	_, err := numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: b.trouble.hanging}, clients, func(ctx context.Context, n int) error {
		_, err := b.server.Register(ctx, company(n%b.companies()), b.hung.URL()+"/"+strconv.Itoa(n))
		return err
	})
	return err
}

// hang starts a receiver that takes every request and answers none until its client gives up.
func (b *beside) hang(ctx context.Context) (r *harness.Receiver, err error) {
	r, err = harness.Start(context.WithoutCancel(ctx), harness.Options{Keep: -1, DropBodies: true, OnDelivery: func(harness.Delivery) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held = max(b.held, r.UnderWay())
	}})
	if err == nil {
		r.Reply(harness.Reply{Fault: harness.Hang, Keep: true})
	}
	return r, err
}

// stop lets go of what hangs first: the engine's own stop waits for its attempts.
func (b *beside) stop() (child.Usage, error) {
	closed := b.hung.Close()
	usage, err := b.server.Stop()
	if b.trouble.flood != nil {
		closed = errors.Join(closed, b.trouble.flood.close())
	}
	return usage, errors.Join(closed, err)
}

// endure builds up the trouble, lets the healthy webhook be called while it lasts, and notes in s what it was like.
func (b *beside) endure(
	ctx context.Context, base time.Time, lasts time.Duration, s *scenario, healthy func(context.Context) (numbered.Record, error),
) (record numbered.Record, err error) {
	first := max(b.trouble.waiting, b.companies()*backlog)
	if b.trouble.waiting > 0 || b.trouble.hanging > 0 {
		if _, err := numbered.Closed(ctx, base, numbered.Numbers{Count: first}, clients, b.tell); err != nil {
			return record, fmt.Errorf("build up the backlog: %w", err)
		}
	}
	var others sync.WaitGroup
	var fed, came error
	feeding := 0
	flooding, dry := context.WithCancel(ctx)
	defer dry()
	if f := b.trouble.flood; f != nil {
		if err := f.pour(ctx); err != nil {
			return record, err
		}
		others.Go(func() { fed = f.keep(flooding) })
	}
	if b.trouble.hanging > 0 {
		feeding = max(1, int(lasts.Seconds()*feedRate))
		others.Go(func() {
			_, fed = numbered.Open(ctx, base, numbered.Numbers{First: first, Count: feeding}, feedRate, clients, b.tell)
		})
	}
	others.Go(func() { s.newcomer, came = b.newcomers(ctx, base, max(1, int(lasts.Seconds()*newcomerRate))) })
	record, err = healthy(ctx)
	var read error
	s.memory, read = child.MemoryOf(b.server.PID)
	dry()
	others.Wait()
	if err := errors.Join(err, read, fed, came); err != nil {
		return record, err
	}
	return record, b.witness(ctx, first+feeding, s)
}

// tell publishes the message n, which goes to the companies in turn.
func (b *beside) tell(ctx context.Context, n int) error {
	return b.server.Publish(ctx, company(n%b.companies()), numbered.Set(numbered.Message("sample.taken"), n))
}

// newcomers registers count webhooks of companies of their own while others are in trouble, publishes a message for each, and
// returns how long after its acceptance that came.
func (b *beside) newcomers(ctx context.Context, base time.Time, count int) (t stats.Times, err error) {
	receiver, err := numbered.Receive(ctx, base, count)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	record, err := numbered.Open(ctx, base, numbered.Numbers{Count: count}, newcomerRate, 1, func(ctx context.Context, n int) error {
		company := "newcomer-" + strconv.Itoa(n)
		if _, err := b.server.Register(ctx, company, receiver.URL()); err != nil {
			return err
		}
		return b.server.Publish(ctx, company, numbered.Set(numbered.Message("sample.taken"), n))
	})
	if err != nil {
		return t, fmt.Errorf("newcomers: %w", err)
	}
	if err := receiver.Wait(ctx, count); err != nil {
		return t, fmt.Errorf("newcomers: %w", err)
	}
	took := make([]time.Duration, count)
	for n := range took {
		at, _ := receiver.Arrival(n) // Wait has seen them all
		took[n] = at - record.Accepted[n]
	}
	return stats.TimesOf(took), nil
}

// witness makes sure that the trouble was there: that nothing of it has ended, and that what should hang did.
func (b *beside) witness(ctx context.Context, messages int, s *scenario) error {
	if f := b.trouble.flood; f != nil {
		left, err := f.waiting(ctx)
		if err != nil {
			return err
		}
		if s.pending, s.floods = left, f.sent/f.messages(); left == f.sent*f.webhooks {
			return errors.New("no call of the flood was made: the load was not what it should be")
		}
	}
	for i := range b.companies() {
		pending, err := b.server.Calls(ctx, company(i), "pending")
		if err != nil {
			return err
		}
		s.pending += pending
	}
	if want := b.calls(messages); b.companies() > 0 && s.pending != want {
		return fmt.Errorf("%d calls wait for webhooks in trouble, want all %d: the load was not what it should be", s.pending, want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.held = b.held; b.trouble.hanging > 0 && s.held == 0 {
		return fmt.Errorf("none of %d hanging webhooks was called: the load was not what it should be", b.trouble.hanging)
	}
	return nil
}
