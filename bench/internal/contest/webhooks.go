package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/verdict"
)

// Webhooks measures an engine with many webhooks, of which each is told one message.
type Webhooks struct {
	Engine    Posthorn
	Webhooks  int
	Companies int           // that they are spread over evenly: a company's message goes to all of its webhooks
	Limit     time.Duration // for all of it
}

// webhooksMemory is as much as is promised of a million ready calls: the plan bounds memory whatever there is, and names no other bound.
const webhooksMemory = backlogMemory

// Run prints what the engine took to out. It returns an error unless memory stayed bounded and each webhook was told.
func (m Webhooks) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	base := time.Now()
	receiver, err := numbered.Receive(ctx, base, m.Webhooks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	s, err := m.Engine.Serve(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w", m.Engine.Name(), err)
	}
	defer func() {
		_, stopped := s.Stop()
		err = errors.Join(err, stopped)
	}()
	if err := m.register(ctx, s, receiver.URL()); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	registering := time.Since(base)
	before, err := child.MemoryOf(s.PID)
	if err != nil {
		return err
	}
	stop := watch(ctx, s.PID, 100*time.Millisecond)
	began := time.Since(base)
	told := m.tell(ctx, s)
	if told == nil {
		told = receiver.Wait(ctx, m.Webhooks)
	}
	readings, read := stop()
	if err := errors.Join(told, read); err != nil {
		return err
	}
	_, last := receiver.Span()
	took, during := last-began, most(readings)
	_, err = fmt.Fprintf(out, "%d webhooks of %d companies, one message each\n\n%13s%22s%13s%10s%10s%10s%12s%10s\n%13.0f%22s%13s%10.0f%10s%10s%12s%10d\n\n",
		m.Webhooks, m.Companies, "registered/s", "resident, registered", "all told in", "calls/s", "resident", "peak", "anonymous", "repeated",
		perSecond(m.Webhooks, registering), inMiB(before.Now), took.Round(time.Millisecond), perSecond(m.Webhooks, took),
		inMiB(during.Now), inMiB(during.Peak), inMiB(during.Anonymous), receiver.Repeated())
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, []verdict.Verdict{verdict.Of(during.Anonymous < webhooksMemory,
		"memory: %s anonymous at the most, promised under %s", inMiB(during.Anonymous), inMiB(webhooksMemory))})
}

// register gives webhook i to company i modulo Companies, at a path that tells it from the company's others.
func (m Webhooks) register(ctx context.Context, s *Server, target string) error {
	_, err := numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: m.Webhooks}, clients, func(ctx context.Context, i int) error {
		_, err := s.Register(ctx, company(i%m.Companies), target+"/"+strconv.Itoa(i-i%m.Companies))
		return err
	})
	return err
}

func (m Webhooks) tell(ctx context.Context, s *Server) error {
	_, err := numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: m.Companies}, clients, func(ctx context.Context, n int) error {
		return s.Publish(ctx, company(n), numbered.Set(numbered.Message("sample.taken"), n))
	})
	return err
}
