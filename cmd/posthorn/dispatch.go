package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"posthorn/adapters/restycaller"
	"posthorn/engine"
)

// dispatchCmd holds the settings of a dispatcher that stands alone.
type dispatchCmd struct {
	workFlags
	dispatchFlags

	Listen string `default:"127.0.0.1:8081" env:"POSTHORN_LISTEN" help:"Address for health and metrics; port 0 takes a free one. Other than loopback needs an API key." placeholder:"ADDR"` //nolint:lll // a tag
}

type dispatchFlags struct {
	Concurrency int `default:"1024" env:"POSTHORN_CONCURRENCY" help:"How many calls a dispatcher may have under way at once." placeholder:"N"`
}

// Run makes calls until the first SIGTERM or SIGINT; then no more tasks are taken, the attempts under way finish within the grace, and their
// outcomes are published. A second signal ends it at once.
func (c *dispatchCmd) Run(p *program) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	limitMemory()
	log := c.logger(p.stderr)
	o, over, err := c.options(log)
	if err != nil {
		return err
	}
	if o.Bus, err = over.open(p.ctx, log); err != nil {
		return err
	}
	s, err := c.start(p.ctx, o)
	if err != nil {
		return err
	}
	log.Info("dispatcher started", "transport", withoutPassword(c.Transport), "concurrency", c.Concurrency)
	if err := s.announce(p.stdout); err != nil {
		return err
	}
	return c.attend(s, signals)
}

// options reads the flags, and opens nothing. Bus and Caller are still to be given.
func (c *dispatchCmd) options(log *slog.Logger) (o engine.DispatcherOptions, over transport, err error) {
	if over, err = c.transport(); err != nil {
		return o, over, err
	}
	keys, err := secretKeys(c.SecretKey)
	if err != nil {
		return o, over, err
	}
	switch {
	case over.local():
		err = refuse("transport gochannel: is refused: it does not leave its process, so a dispatcher would reach no engine; " +
			"give --transport that of the engines, as nats://127.0.0.1:4222")
	case len(keys) == 0:
		err = refuse("no secret key was given: what engines ask for could not be opened; set POSTHORN_SECRET_KEY to that of the engines")
	case c.Concurrency < 1:
		err = refuse("concurrency %d is refused: it is how many calls may be under way at once; give 1 or more", c.Concurrency)
	}
	if err != nil {
		return o, over, err
	}
	calling, err := c.calling()
	if err != nil {
		return o, over, err
	}
	o = engine.DispatcherOptions{
		Key: keys[0], OldKeys: keys[1:], Logger: log, Concurrency: c.Concurrency, UserAgent: "Posthorn/" + version, TopicPrefix: over.prefix,
	}
	o.Caller, err = restycaller.New(calling)
	return o, over, err
}

// A dispatching is a dispatcher that runs.
type dispatching struct {
	*service
	dispatcher *engine.Dispatcher
	done       chan error // what Run says
}

// start listens and makes calls over o.Bus, which is the dispatcher's from now on.
func (c *dispatchCmd) start(ctx context.Context, o engine.DispatcherOptions) (*dispatching, error) {
	metrics := newDispatchMetrics()
	o.Hooks = metrics.hooks()
	d, err := engine.NewDispatcher(o)
	if err != nil {
		return nil, err
	}
	metrics.follow(d)
	s, err := c.listen(ctx, d, metrics.handler(), o.Logger)
	if err != nil {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return nil, errors.Join(err, d.Shutdown(ended))
	}
	running := &dispatching{service: s, dispatcher: d, done: make(chan error, 1)}
	go func() { running.done <- d.Run(context.WithoutCancel(ctx)) }() // ends with the service's stop
	return running, nil
}

func (c *dispatchCmd) listen(ctx context.Context, d *engine.Dispatcher, metrics http.Handler, log *slog.Logger) (*service, error) {
	authorize, err := c.authorization(ctx, c.Listen)
	if err != nil {
		return nil, err
	}
	listener, err := listenOn(ctx, c.Listen)
	if err != nil {
		return nil, err
	}
	return newService(d, listener, c.guard(dispatchHandler(d, authorize, metrics), func() bool { return false }), log), nil
}

// attend waits for what ends a dispatcher, and ends it.
func (c *dispatchCmd) attend(s *dispatching, signals <-chan os.Signal) error {
	select {
	case <-signals:
		return c.stop(s.service, signals)
	case err := <-s.done:
		return exitWith(exitIO, errors.Join(fmt.Errorf("the dispatcher has stopped: %w; see the log, then start it again", err), s.stop(0)))
	case err := <-s.ended:
		return exitWith(exitIO, errors.Join(fmt.Errorf("the listener failed: %w", err), s.stop(c.Grace)))
	}
}
