package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/restycaller"
)

// workFlags are the settings of a process that works until it is told to stop: an engine, or a dispatcher.
type workFlags struct {
	keyFlag
	transportFlag

	SecretKey   string        `env:"POSTHORN_SECRET_KEY" help:"Key that seals secrets and what travels: 64 hex digits or base64 of 32 bytes, the same for all that work together; to move to another, NEW,OLD. Without it an engine uses DIR/secret.key." placeholder:"KEY" secret:""` //nolint:lll // a tag
	Dev         bool          `env:"POSTHORN_DEV" help:"Development: private targets may be called, CORS is open, logs are text."`
	AllowTarget []string      `env:"POSTHORN_ALLOW_TARGET" help:"Private target that may be called: a network, address or name, with or without port. Repeatable." placeholder:"TARGET"`                                              //nolint:lll // a tag
	Proxy       string        `env:"POSTHORN_PROXY" help:"Forward proxy for the calls: http or https, user and password before an @. Without it HTTPS_PROXY and HTTP_PROXY say; NO_PROXY names exceptions." placeholder:"URL" url:""` //nolint:lll // a tag
	CAFile      string        `name:"ca-file" env:"POSTHORN_CA_FILE" help:"PEM file of authorities that are trusted beside the system's." placeholder:"FILE" type:"path"`                                                             //nolint:lll // a tag
	Grace       time.Duration `default:"15s" env:"POSTHORN_GRACE" help:"How long attempts under way may take to finish after SIGTERM."`
	LogFormat   string        `default:"auto" enum:"auto,text,json" env:"POSTHORN_LOG_FORMAT" help:"Form of the logs on stderr: ${enum}; auto is json, and text with --dev."` //nolint:lll // a tag
}

// keyFlag is the key that the API asks for.
type keyFlag struct {
	Key string `env:"POSTHORN_API_KEY" help:"API key. Give it by environment or file: others can see flags." placeholder:"KEY" secret:""`
}

// secretKeys reads the keys that were given, the newest first; none for none.
func secretKeys(text string) ([]posthorn.Key, error) {
	if text == "" {
		return nil, nil
	}
	keys, err := posthorn.ParseKeys(text)
	if err != nil {
		return nil, exitWith(exitUsage, fmt.Errorf("secret key is refused: %w", err))
	}
	return keys, nil
}

// calling reads what calls are made with.
func (c *workFlags) calling() (o restycaller.Options, err error) {
	o.AllowPrivate = c.Dev
	if o.Allow, err = restycaller.ParseTargets(c.AllowTarget); err != nil {
		return o, exitWith(exitUsage, err)
	}
	if o.Proxy, err = restycaller.ParseProxy(c.Proxy); err != nil {
		return o, exitWith(exitUsage, err)
	}
	o.RootCAs, err = c.authorities()
	return o, err
}

// authorities are those of the system and of the CA file, nil for the system's alone.
func (c *workFlags) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil //nolint:nilnil // as in tls.Config
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, refuse("CA file is refused: %w; correct --ca-file", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any still trusts the file's
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, refuse("CA file %s is refused: it holds no certificate in PEM form (BEGIN CERTIFICATE); correct --ca-file", c.CAFile)
	}
	return pool, nil
}

func (c *workFlags) logger(w io.Writer) *slog.Logger {
	if c.LogFormat == "text" || c.LogFormat == "auto" && c.Dev {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// An authorizer says what a request may do.
type authorizer = func(*http.Request) (httpapi.Access, error)

// authorization asks for the key. Without one, everybody who reaches the port is let in, so only this machine may.
func (c *workFlags) authorization(ctx context.Context, listen string) (authorizer, error) {
	switch err := checkAddress(ctx, listen); {
	case err != nil:
		return nil, err
	case c.Key != "":
		return httpapi.APIKey(c.Key), nil
	case !loopback(listen):
		return nil, refuse("listen address %q is refused: without an API key anybody who reaches it could use it; "+
			"set POSTHORN_API_KEY or listen on 127.0.0.1", listen)
	default:
		return httpapi.AllowAll, nil
	}
}

// guard lets no web page in, where only the machine's own processes are to be: while keyed is false.
func (c *workFlags) guard(h http.Handler, keyed func() bool) http.Handler {
	if c.Key != "" || c.Dev {
		return h
	}
	local := localOnly(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if keyed() {
			h.ServeHTTP(w, r)
			return
		}
		local.ServeHTTP(w, r)
	})
}

func listenOn(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, exitWith(exitIO, fmt.Errorf("listen address %q is refused: %w; stop what uses it or give another --listen", address, err))
	}
	return listener, nil
}

// A worker is what a service has behind its listener: an engine, or a dispatcher.
type worker interface {
	Shutdown(ctx context.Context) error
}

// A service is a worker behind its listener.
type service struct {
	url    string
	engine *posthorn.Posthorn // nil where the worker is none
	worker worker
	http   *http.Server
	log    *slog.Logger
	ended  chan error // the listener's end
}

// newService begins to answer. The worker and the listener are the service's from now on.
func newService(w worker, listener net.Listener, h http.Handler, log *slog.Logger) *service {
	s := &service{url: "http://" + listener.Addr().String(), worker: w, log: log, ended: make(chan error, 1)}
	s.engine, _ = w.(*posthorn.Posthorn)
	s.http = newServer(h, log)
	go func() { s.ended <- s.http.Serve(listener) }() // ends with stop
	return s
}

// announce tells where the service is.
func (s *service) announce(out io.Writer) error {
	if _, err := fmt.Fprintf(out, "listening on %s\n", s.url); err != nil {
		return errors.Join(err, s.stop(0))
	}
	return nil
}

// stop ends a service in order, unless another signal comes.
func (c *workFlags) stop(s *service, again <-chan os.Signal) error {
	s.log.Info("stopping; a second signal ends it at once", "grace", c.Grace.String())
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop(c.Grace) }() // ends with its work, or with the process
	select {
	case err := <-stopped:
		if err == nil && s.engine != nil {
			carried := s.engine.Traffic()
			s.log.Info("stopped", "syncs", s.engine.Syncs(), "envelopes", carried.Envelopes, "bytes", carried.Bytes)
		} else if err == nil {
			s.log.Info("stopped")
		}
		return exitWith(exitIO, err)
	case <-again:
		return errors.New("ended by a second signal before everything was recorded; attempts under way will be made again at the next start")
	}
}

// arriveTime is what a request has to arrive and be answered once the worker has stopped. The grace is for attempts: a client that
// stalls must not use it up.
const arriveTime = 2 * time.Second

// stop refuses work and lets the attempts under way finish within the grace. The listener answers meanwhile, so that clients are
// told 503 and who balances load sees it at /readyz; it closes when the worker has stopped.
func (s *service) stop(grace time.Duration) error {
	drain, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := s.worker.Shutdown(drain)
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
