// Package inside serves the engine as cmd/posthorn does, but lets itself be looked into: GET /bench/goroutines counts them. The soak and
// the tests of this module's benchmark run it in a process of its own. Read next: package soak.
package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/ports"
)

// GoroutinesPath is where the number of goroutines is told.
const GoroutinesPath = "/bench/goroutines"

// Options are those of `posthorn serve` that the benchmark uses.
type Options struct {
	Data, Listen, AllowTarget string

	// Bus, Key and NoDispatch are those of a fleet's engine, whose calls others make; see posthorn.Options.
	Bus        ports.Bus
	Key        posthorn.Key
	NoDispatch bool

	// NoBreaker calls webhooks as their schedules say, however many of the attempts fail.
	NoBreaker bool
}

// Serve runs until ctx ends. It prints to out where it listens, and logs to errs, as `posthorn serve` does, how many commits were synced and
// what was put on the bus.
func Serve(ctx context.Context, out, errs io.Writer, o Options) (err error) {
	log := slog.New(slog.NewJSONHandler(errs, nil))
	engine, err := posthorn.Open(ctx, posthorn.Options{
		Dir: o.Data, AllowTargets: []string{o.AllowTarget}, Logger: log, Bus: o.Bus, Key: o.Key, NoDispatch: o.NoDispatch, NoBreaker: o.NoBreaker,
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), engine.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", httpapi.Handler(engine, httpapi.Options{Authorize: httpapi.AllowAll}))
	mux.HandleFunc("GET "+GoroutinesPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, runtime.NumGoroutine()) // who asked has gone
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if _, err := fmt.Fprintln(out, "listening on http://"+listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close(), engine.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, engine.Close())
	}
	err = engine.Close()
	carried := engine.Traffic()
	log.Info("stopped", "syncs", engine.Syncs(), "envelopes", carried.Envelopes, "bytes", carried.Bytes)
	return err
}
