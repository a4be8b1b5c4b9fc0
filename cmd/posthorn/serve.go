package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
)

// serveCmd holds the settings of an engine that serves.
type serveCmd struct{ serveFlags }

type serveFlags struct {
	workFlags
	defaultFlags

	Data       string        `default:"posthorn-data" env:"POSTHORN_DATA" help:"Data directory, made if it does not exist; one process at a time may hold it." placeholder:"DIR" type:"path"`                         //nolint:lll // a tag
	Listen     string        `default:"127.0.0.1:8080" env:"POSTHORN_LISTEN" help:"Address to listen on; port 0 takes a free one. Other than loopback needs an API key." placeholder:"ADDR"`                          //nolint:lll // a tag
	WaitLock   time.Duration `default:"0s" env:"POSTHORN_WAIT_LOCK" help:"How long to wait for the process before this one to let go of the data directory and the address; 0 does not wait." placeholder:"DURATION"` //nolint:lll // a tag
	NoDispatch bool          `env:"POSTHORN_NO_DISPATCH" help:"Make no calls: leave them to dispatchers, which have the same transport and secret key."`

	Retention time.Duration `default:"0s" env:"POSTHORN_RETENTION" help:"How long ended calls and their messages are kept, with payloads, responses and events; 0s for ever." placeholder:"DURATION"` //nolint:lll // a tag

	Inbox                bool `env:"POSTHORN_INBOX" help:"Accept messages and candidates from the transport's topic inbox."`
	PublishEvents        bool `env:"POSTHORN_PUBLISH_EVENTS" help:"Publish every event of the log on the transport's topic events."`
	PublishEventPayloads bool `env:"POSTHORN_PUBLISH_EVENT_PAYLOADS" help:"Publish messages' data and profiles with their events."`
}

// Run serves until the first SIGTERM or SIGINT, and then stops in order: commands are refused, the attempts under way finish within
// the grace, everything is recorded, the listener closes. A second signal ends it at once, as a crash would.
func (c *serveCmd) Run(p *program) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	limitMemory()
	keepPrivate()
	s, err := c.start(p.ctx, c.logger(p.stderr))
	if err != nil {
		return err
	}
	id, epoch := s.engine.ID()
	s.log.Info("engine started", "engine", id, "epoch", epoch, "data", c.Data)
	if err := s.announce(p.stdout); err != nil {
		return err
	}
	return c.attend(s, signals, watchThreads())
}

// attend waits for what ends a service, and ends it.
func (c *serveFlags) attend(s *service, signals <-chan os.Signal, threads *threadWatch) error {
	quiet, often := time.NewTicker(quietAfter), time.NewTimer(threads.look())
	defer quiet.Stop()
	defer often.Stop()
	var memory memoryWatch
	for {
		select {
		case <-signals:
			threads.end()
			return c.stop(s, signals)
		case <-s.engine.Failed():
			err := s.engine.Ready(context.Background())
			s.log.Error("the engine can no longer write", "error", err)
			_ = s.stop(0) // it says the same again
			return exitWith(exitIO, fmt.Errorf("the engine has stopped: %w; see the log, then start it again", err))
		case err := <-s.ended:
			return exitWith(exitIO, errors.Join(fmt.Errorf("the listener failed: %w", err), s.stop(c.Grace)))
		case <-often.C:
			often.Reset(threads.look())
		case <-quiet.C:
			memory.look(s.engine.LastSeq)
		}
	}
}

// start opens the engine and listens. The listener comes first: a port in use is told before a directory is touched, and in a restart
// clients wait in its queue while the engine opens.
func (c *serveFlags) start(ctx context.Context, log *slog.Logger) (*service, error) {
	if err := c.checkListen(ctx); err != nil {
		return nil, err
	}
	options, over, err := c.options(log)
	if err != nil {
		return nil, err
	}
	listener, err := c.listener(ctx, log)
	if err != nil {
		return nil, err
	}
	if !over.local() {
		if options.Bus, err = over.open(ctx, log); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	engine, err := posthorn.Open(ctx, options)
	if err != nil {
		return nil, exitWith(openCode(err), errors.Join(err, listener.Close()))
	}
	if c.open(engine) && !loopback(c.Listen) {
		return nil, errors.Join(c.openToAll(), engine.Close(), listener.Close())
	}
	h := httpapi.Handler(engine, httpapi.Options{Authorize: c.authorize(engine), CORS: c.Dev, Logger: log, Version: version})
	return newService(engine, listener, c.guard(h, engine.HasKeys), log), nil
}

// options reads the flags, and opens nothing.
func (c *serveFlags) options(log *slog.Logger) (o posthorn.Options, over transport, err error) {
	o = posthorn.Options{
		Dir: c.Data, WaitLock: c.WaitLock, Retention: c.Retention, Logger: log,
		AllowTargets: c.AllowTarget, AllowPrivateTargets: c.Dev, UserAgent: "Posthorn/" + version, NoDispatch: c.NoDispatch,
	}
	if c.Data == "" {
		return o, over, refuse("data directory \"\" is refused: events must be kept somewhere; give --data a directory")
	}
	calling, err := c.calling()
	if err != nil {
		return o, over, err
	}
	o.Proxy, o.RootCAs = c.Proxy, calling.RootCAs
	if over, err = c.transport(); err != nil {
		return o, over, err
	}
	if err := c.exchange(over.local()); err != nil {
		return o, over, err
	}
	if c.Retention != 0 && c.Retention < posthorn.MinRetention {
		return o, over, refuse("--retention %s is refused: what has just ended is still asked for; give at least %s, or 0s to keep all",
			c.Retention, posthorn.MinRetention)
	}
	if err := c.into(&o); err != nil {
		return o, over, err
	}
	o.Inbox, o.PublishEvents, o.PublishEventPayloads = c.Inbox, c.PublishEvents, c.PublishEventPayloads
	o.TopicPrefix = over.prefix
	keys, err := secretKeys(c.SecretKey)
	if err != nil {
		return o, over, err
	}
	if len(keys) > 0 {
		o.Key, o.OldKeys = keys[0], keys[1:]
	}
	switch {
	case c.NoDispatch && over.local():
		err = refuse("--no-dispatch is refused: over gochannel: nobody else can make the calls; give --transport a broker, as nats://127.0.0.1:4222")
	case c.NoDispatch && len(keys) == 0:
		err = refuse("--no-dispatch is refused: dispatchers need the key that seals what travels, and none was given; "+
			"set POSTHORN_SECRET_KEY for all of them: to what is in %s if that is there, else make one with `openssl rand -hex 32`",
			filepath.Join(c.Data, "secret.key"))
	}
	return o, over, err
}

// exchange checks what the engine is to exchange with other systems; within one process there are none.
func (c *serveFlags) exchange(local bool) error {
	switch {
	case c.Inbox && local:
		return refuse("--inbox is refused: over gochannel: nobody else can publish there; give --transport a broker, as nats://127.0.0.1:4222")
	case c.PublishEvents && local:
		return refuse("--publish-events is refused: over gochannel: nobody else can read them; give --transport a broker, " +
			"as nats://127.0.0.1:4222, or follow /v1/events/stream")
	case c.PublishEventPayloads && !c.PublishEvents:
		return refuse("--publish-event-payloads is refused: events are not published, so their payloads cannot be; give --publish-events too")
	}
	return nil
}

// listenPoll is how often an address in use is tried: nothing tells when it becomes free.
const listenPoll = 20 * time.Millisecond

// listener listens, and waits for the address as the engine waits for the directory: the process before this one holds both.
func (c *serveFlags) listener(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	l, err := listenOn(ctx, c.Listen)
	if c.WaitLock <= 0 || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	log.Info("waiting for the address", "for", c.WaitLock.String(), "because", err)
	late, poll := time.NewTimer(c.WaitLock), time.NewTicker(listenPoll)
	defer late.Stop()
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return nil, err
		case <-poll.C:
		}
		if l, err = listenOn(ctx, c.Listen); !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
}

// checkAddress tells an address that is none from one that cannot be listened on. net.Listen would take an empty one.
func checkAddress(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	}
	if err != nil {
		return refuse("listen address %q is refused: it is not HOST:PORT, %w; write it as 127.0.0.1:8080", address, err)
	}
	return nil
}

// loopback says whether only this machine can reach the address. Of names only localhost is known without asking a resolver.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
