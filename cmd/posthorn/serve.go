package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/restycaller"
)

// serveCmd holds the settings of an engine that serves.
type serveCmd struct{ serveFlags }

type serveFlags struct {
	keyFlag

	Data        string        `default:"posthorn-data" env:"POSTHORN_DATA" help:"Data directory, made if it does not exist; one process at a time may hold it." placeholder:"DIR" type:"path"` //nolint:lll // a tag
	Listen      string        `default:"127.0.0.1:8080" env:"POSTHORN_LISTEN" help:"Address to listen on; port 0 takes a free one. Other than loopback needs an API key." placeholder:"ADDR"`  //nolint:lll // a tag
	SecretKey   string        `env:"POSTHORN_SECRET_KEY" help:"Key that seals secrets: 64 hex digits or base64 of 32 bytes. Without it DIR/secret.key is used." placeholder:"KEY" secret:""`   //nolint:lll // a tag
	Dev         bool          `env:"POSTHORN_DEV" help:"Development: private targets may be called, CORS is open, logs are text."`
	AllowTarget []string      `env:"POSTHORN_ALLOW_TARGET" help:"Private target that may be called: a network, address or name, with or without port. Repeatable." placeholder:"TARGET"` //nolint:lll // a tag
	Grace       time.Duration `default:"15s" env:"POSTHORN_GRACE" help:"How long attempts under way may take to finish after SIGTERM."`
	LogFormat   string        `default:"auto" enum:"auto,text,json" env:"POSTHORN_LOG_FORMAT" help:"Form of the logs on stderr: ${enum}; auto is json, and text with --dev."` //nolint:lll // a tag
}

// keyFlag is the key that the API asks for.
type keyFlag struct {
	Key string `env:"POSTHORN_API_KEY" help:"API key. Give it by environment or file: others can see flags." placeholder:"KEY" secret:""`
}

// Run serves until the first SIGTERM or SIGINT, and then stops in order: commands are refused, the attempts under way finish within
// the grace, everything is recorded. A second signal ends it at once, as a crash would.
func (c *serveCmd) Run(p *program) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	tuneRuntime()
	s, err := c.start(p.ctx, c.logger(p.stderr))
	if err != nil {
		return err
	}
	id, epoch := s.engine.ID()
	s.log.Info("engine started", "engine", id, "epoch", epoch, "data", c.Data)
	if _, err := fmt.Fprintf(p.stdout, "listening on %s\n", s.url); err != nil {
		return errors.Join(err, s.stop(0))
	}
	return c.attend(s, signals)
}

// attend waits for what ends a service, and ends it.
func (c *serveFlags) attend(s *service, signals <-chan os.Signal) error {
	quiet := time.NewTicker(quietAfter)
	defer quiet.Stop()
	var memory memoryWatch
	for {
		select {
		case <-signals:
			return c.stop(s, signals)
		case <-s.engine.Failed():
			err := s.engine.Ready(context.Background())
			s.log.Error("the engine can no longer write", "error", err)
			_ = s.stop(time.Second) // it says the same again; the time is for the answers to those who wait
			return exitWith(exitIO, fmt.Errorf("the engine has stopped: %w; see the log, then start it again", err))
		case err := <-s.ended:
			return exitWith(exitIO, errors.Join(fmt.Errorf("the listener failed: %w", err), s.stop(c.Grace)))
		case <-quiet.C:
			memory.look(s.engine.LastSeq)
		}
	}
}

// stop ends a service in order, unless another signal comes.
func (c *serveFlags) stop(s *service, again <-chan os.Signal) error {
	s.log.Info("stopping; a second signal ends it at once", "grace", c.Grace)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop(c.Grace) }() // ends with its work, or with the process
	select {
	case err := <-stopped:
		if err == nil {
			s.log.Info("stopped", "syncs", s.engine.Syncs())
		}
		return exitWith(exitIO, err)
	case <-again:
		return errors.New("ended by a second signal before everything was recorded; attempts under way will be made again at the next start")
	}
}

// A service is an engine behind its listener.
type service struct {
	url    string
	engine *posthorn.Posthorn
	http   *http.Server
	log    *slog.Logger
	ended  chan error // the listener's end
}

// start opens the engine and listens. The listener comes first: a port in use is told before a directory is touched.
func (c *serveFlags) start(ctx context.Context, log *slog.Logger) (*service, error) {
	authorize, err := c.authorization()
	if err != nil {
		return nil, err
	}
	options, err := c.options(log)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, exitWith(exitIO, fmt.Errorf("listen address %q is refused: %w; stop what uses it or give another --listen", c.Listen, err))
	}
	engine, err := posthorn.Open(ctx, options)
	if err != nil {
		return nil, exitWith(openCode(err), errors.Join(err, listener.Close()))
	}
	return newService(engine, listener, httpapi.Options{Authorize: authorize, CORS: c.Dev, Logger: log, Version: version}), nil
}

// newService begins to answer. The engine and the listener are the service's from now on.
func newService(engine *posthorn.Posthorn, listener net.Listener, o httpapi.Options) *service {
	s := &service{url: "http://" + listener.Addr().String(), engine: engine, log: o.Logger, ended: make(chan error, 1)}
	s.http = newServer(httpapi.Handler(engine, o), o.Logger)
	go func() { s.ended <- s.http.Serve(listener) }() // ends with stop
	return s
}

// stop refuses commands, closes the listener, and lets the requests and attempts under way finish.
func (s *service) stop(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	closed := make(chan struct{})
	go func() { // joined below
		defer close(closed)
		if s.http.Shutdown(ctx) != nil {
			_ = s.http.Close() // the requests that are left are cut off
		}
	}()
	err := s.engine.Shutdown(ctx)
	<-closed
	return err
}

// newServer bounds what a slow or hostile client can hold. Answers that take long by design, the event streams, set deadlines of
// their own for each write.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // head and body: a body has at most 512 KiB
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken clients, and no fault of ours
	}
}

func (c *serveFlags) options(log *slog.Logger) (posthorn.Options, error) {
	o := posthorn.Options{
		Dir: c.Data, Logger: log, AllowTargets: c.AllowTarget, AllowPrivateTargets: c.Dev, UserAgent: "Posthorn/" + version,
	}
	if _, err := restycaller.ParseTargets(c.AllowTarget); err != nil {
		return o, exitWith(exitUsage, err)
	}
	if c.SecretKey == "" {
		return o, nil
	}
	key, err := posthorn.ParseKey(c.SecretKey)
	if err != nil {
		return o, exitWith(exitUsage, fmt.Errorf("secret key is refused: %w", err))
	}
	o.Key = key
	return o, nil
}

// authorization asks for the key. Without one, everybody who reaches the port is let in, so only this machine may.
func (c *serveFlags) authorization() (func(*http.Request) error, error) {
	if c.Key != "" {
		return httpapi.APIKey(c.Key), nil
	}
	if !loopback(c.Listen) {
		return nil, refuse("listen address %q is refused: without an API key anybody who reaches it could use it; "+
			"set POSTHORN_API_KEY or listen on 127.0.0.1", c.Listen)
	}
	return httpapi.AllowAll, nil
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

func (c *serveFlags) logger(w io.Writer) *slog.Logger {
	if c.LogFormat == "text" || c.LogFormat == "auto" && c.Dev {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
