package contest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/hang"
	"posthorn/bench/internal/load"
	"posthorn/bench/internal/payload"
	"posthorn/bench/internal/sink"
	"posthorn/bench/internal/stats"
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
	hung    *hang.Receiver
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
func (b *beside) Start(ctx context.Context, sinkURL string, _ int) (t Target, err error) {
	if b.server, err = b.Serve(ctx); err != nil {
		return Target{}, err
	}
	if b.hung, err = hang.Open(ctx); err != nil {
		_, stopped := b.server.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	t = Target{
		URL: b.server.URL + companyPath(Company) + "/messages", Body: payload.Message("sample.taken"),
		Check: b.server.Syncs, Stop: b.stop,
	}
	secret, err := b.server.Register(ctx, Company, sinkURL)
	if err == nil {
		t.Verify, err = verifier(secret)
	}
	if err == nil {
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
	_, err := load.Closed(ctx, time.Now(), load.Numbers{Count: b.trouble.hanging}, several(func(ctx context.Context, n int) error {
		_, err := b.server.Register(ctx, company(n%b.companies()), b.hung.URL+"/"+strconv.Itoa(n))
		return err
	}))
	return err
}

// several are as many senders as the server's client has connections.
func several(send load.Send) []load.Send { return slices.Repeat([]load.Send{send}, clients) }

// stop lets go of what hangs first: the engine's own stop waits for its attempts.
func (b *beside) stop() (child.Usage, error) {
	closed := b.hung.Close()
	usage, err := b.server.Stop()
	if b.trouble.flood != nil {
		closed = errors.Join(closed, b.trouble.flood.close())
	}
	return usage, errors.Join(closed, err)
}

// endure builds up the trouble, sends the healthy webhook's calls while it lasts, and notes in s what it was like.
func (b *beside) endure(
	ctx context.Context, base time.Time, rate float64, numbers load.Numbers, senders []load.Send, s *scenario,
) (record load.Record, err error) {
	first := max(b.trouble.waiting, b.companies()*backlog)
	if b.trouble.waiting > 0 || b.trouble.hanging > 0 {
		if _, err := load.Closed(ctx, base, load.Numbers{Count: first}, several(b.tell)); err != nil {
			return record, fmt.Errorf("build up the backlog: %w", err)
		}
	}
	lasts := float64(numbers.Count) / rate
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
		feeding = max(1, int(lasts*feedRate))
		others.Go(func() {
			_, fed = load.Open(ctx, base, load.Numbers{First: first, Count: feeding}, feedRate, several(b.tell), load.Nap)
		})
	}
	others.Go(func() { s.newcomer, came = b.newcomers(ctx, base, max(1, int(lasts*newcomerRate))) })
	record, err = load.Open(ctx, base, numbers, rate, senders, load.Nap)
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
	body := payload.Message("sample.taken")
	payload.Number(body, n)
	return b.server.Publish(ctx, company(n%b.companies()), body)
}

// newcomers registers count webhooks of companies of their own while others are in trouble, publishes a message for each, and
// returns how long after its acceptance that came.
func (b *beside) newcomers(ctx context.Context, base time.Time, count int) (t stats.Times, err error) {
	receiver, err := sink.Open(ctx, base, count)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	record, err := load.Open(ctx, base, load.Numbers{Count: count}, newcomerRate, []load.Send{func(ctx context.Context, n int) error {
		company := "newcomer-" + strconv.Itoa(n)
		if _, err := b.server.Register(ctx, company, receiver.URL); err != nil {
			return err
		}
		body := payload.Message("sample.taken")
		payload.Number(body, n)
		return b.server.Publish(ctx, company, body)
	}}, load.Nap)
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
	if s.held = b.hung.Counts().Most; b.trouble.hanging > 0 && s.held == 0 {
		return fmt.Errorf("none of %d hanging webhooks was called: the load was not what it should be", b.trouble.hanging)
	}
	return nil
}
