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
// the grace, everything is recorded, the listener closes. A second signal ends it at once, as a crash would.
func (c *serveCmd) Run(p *program) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	tuneRuntime()
	keepPrivate()
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
			_ = s.stop(0) // it says the same again
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
	s.log.Info("stopping; a second signal ends it at once", "grace", c.Grace.String())
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
	if err := checkAddress(ctx, c.Listen); err != nil {
		return nil, err
	}
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
	h := httpapi.Handler(engine, httpapi.Options{Authorize: authorize, CORS: c.Dev, Logger: log, Version: version})
	if c.Key == "" && !c.Dev {
		h = localOnly(h)
	}
	return newService(engine, listener, h, log), nil
}

// newService begins to answer. The engine and the listener are the service's from now on.
func newService(engine *posthorn.Posthorn, listener net.Listener, h http.Handler, log *slog.Logger) *service {
	s := &service{url: "http://" + listener.Addr().String(), engine: engine, log: log, ended: make(chan error, 1)}
	s.http = newServer(h, log)
	go func() { s.ended <- s.http.Serve(listener) }() // ends with stop
	return s
}

// arriveTime is what a request has to arrive and be answered once the engine has stopped. The grace is for attempts: a client that
// stalls must not use it up.
const arriveTime = 2 * time.Second

// stop refuses commands and lets the attempts under way finish within the grace. The listener answers meanwhile, so that clients are
// told 503 and who balances load sees it at /readyz; it closes when the engine has stopped.
func (s *service) stop(grace time.Duration) error {
	drain, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := s.engine.Shutdown(drain)
	arrive, cancel := context.WithTimeout(context.Background(), arriveTime)
	defer cancel()
	if s.http.Shutdown(arrive) != nil {
		_ = s.http.Close() // the requests that are left are cut off
	}
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
	if c.Data == "" {
		return o, refuse("data directory \"\" is refused: events must be kept somewhere; give --data a directory")
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

func (c *serveFlags) logger(w io.Writer) *slog.Logger {
	if c.LogFormat == "text" || c.LogFormat == "auto" && c.Dev {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
