package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Run makes a load run, from starting its receivers to removing the webhooks that it registered. It returns an error, and no result, if
// the options are refused, or the run could not begin; that the sender did badly stands in the result. When ctx ends it triggers
// no more, waits for nothing more, removes what it registered, and returns what it found so far, which is not OK.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	run := &run{o: o, l: newLedger(o, runName())}
	var err error
	if run.receivers, err = startReceivers(ctx, o, run.l); err != nil {
		return nil, err
	}
	defer run.receivers.close()
	tunnel, err := run.reach(ctx)
	if err != nil {
		return nil, err
	}
	if tunnel != nil {
		defer tunnel.Close()
	}
	if err := run.register(ctx); err != nil {
		return nil, err
	}
	return run.measure(ctx), nil
}

type run struct {
	o         Options
	l         *ledger
	receivers *receivers
}

// tunnelTime is how long a tunnel may take to come up.
const tunnelTime = time.Minute

func (r *run) reach(ctx context.Context) (*Tunnel, error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTime)
	defer cancel()
	return r.receivers.reach(ctx, r.o)
}

func (r *run) register(ctx context.Context) error {
	if r.o.Progress != nil {
		r.o.Progress(Progress{Phase: Registering})
	}
	err := r.receivers.register(ctx, r.o, r.l)
	if err == nil {
		return nil
	}
	if left := r.remove(ctx); len(left) > 0 {
		return fmt.Errorf("%w; %d that were made could not be removed, first %s", err, len(left), left[0])
	}
	return err
}

// measure goes through the phases from triggering on.
func (r *run) measure(ctx context.Context) *Result {
	start := time.Now()
	r.l.begin(start)
	s := &sampler{l: r.l, tell: r.o.Progress}
	beats, stop := context.WithCancel(context.WithoutCancel(ctx))
	var sampling sync.WaitGroup
	sampling.Go(func() { s.run(beats, start) }) // ends with stop

	s.enter(Triggering, start.Add(r.o.Pace.Duration))
	generated := Open(ctx, start, r.o.Pace, r.o.Connections, r.sender())
	// What has not come when it gives up stands in the result.
	_ = r.l.drained(ctx, r.o.Drain, func() { s.enter(Draining, time.Now().Add(r.o.Drain)) })
	r.receivers.settle(ctx)
	history := r.history(ctx, s)
	s.enter(Removing, time.Time{})
	left := r.remove(ctx)
	stop()
	sampling.Wait()

	result := r.l.result(generated)
	result.History, result.Left, result.Samples, result.Interrupted = history, left, s.samples, ctx.Err() != nil
	result.Run, result.Target, result.Started, result.Plan = r.l.run, r.o.Target.Name, start.UTC().Truncate(time.Millisecond), r.plan()
	result.judge(r.o.SLO)
	return result
}

// sender makes the triggers.
func (r *run) sender() Send {
	payload := newPayload(r.o.Seed, r.o.Payload)
	return func(ctx context.Context, n int, due time.Time) {
		company := n % r.o.Companies
		hook := company*r.o.Webhooks + n/r.o.Companies%r.o.Webhooks // their turns
		m := Message{
			N: n, ID: r.l.id(n), Company: r.l.company(company), Receiver: r.receivers.webhooks[hook].URL, Payload: payload.of(n),
		}
		ctx, cancel := context.WithTimeout(ctx, r.o.TriggerTimeout)
		defer cancel()
		made := time.Now()
		id, err := r.o.Target.Trigger(ctx, m)
		r.l.triggered(n, due, made, time.Now(), id, err)
	}
}

// compareTime is the least that reading the history may take.
const compareTime = 15 * time.Second

// history asks the sender, if it has a history, for as long as it may stand still.
func (r *run) history(ctx context.Context, s *sampler) *History {
	if r.o.Target.Calls == nil || ctx.Err() != nil {
		return nil
	}
	until := time.Now().Add(max(compareTime, r.o.Drain))
	s.enter(Comparing, until)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	companies := make([]string, r.o.Companies)
	for i := range companies {
		companies[i] = r.l.company(i)
	}
	return askHistory(ctx, r.l, companies, r.o.Target.Calls)
}

// removeTime bounds the removing, with as much again for every 3,000 webhooks.
const removeTime = 15 * time.Second

// remove unregisters, also when ctx has ended, and returns what could not be.
func (r *run) remove(ctx context.Context) []string {
	if r.o.Target.Unregister == nil || r.o.Target.Register == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime*time.Duration(1+len(r.receivers.webhooks)/3000))
	defer cancel()
	return r.receivers.unregister(ctx, r.o.Target.Unregister)
}

func (r *run) plan() Plan {
	o := r.o
	return Plan{
		Rate: o.Pace.Rate, Seconds: o.Pace.Duration.Seconds(), RampSeconds: o.Pace.Ramp.Seconds(), Companies: o.Companies,
		Webhooks: o.Webhooks, Receivers: o.Receivers, Payload: o.Payload, Seed: o.Seed, AttemptsOfCall: o.attempts(),
	}
}

// A payload is text that does not compress well; message n has the part that begins at its turn.
type payload struct {
	text string
	size int
}

func newPayload(seed uint64, size int) payload {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	source := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it is no secret
	text := make([]byte, 2*size)
	for i := range text {
		text[i] = letters[source.IntN(len(letters))]
	}
	return payload{string(text), size}
}

func (p payload) of(n int) string {
	if p.size == 0 {
		return ""
	}
	from := n % p.size
	return p.text[from : from+p.size]
}
