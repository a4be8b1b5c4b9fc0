package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestDispatcherThatCannotBeMadeReleasesItsBus(t *testing.T) {
	t.Parallel()
	good := func(bus ports.Bus) engine.DispatcherOptions {
		return engine.DispatcherOptions{Bus: bus, Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1})}
	}
	for want, change := range map[string]func(*engine.DispatcherOptions){
		"no secret key was given":       func(o *engine.DispatcherOptions) { o.Key = engine.Key{} },
		"Bus and Caller are required":   func(o *engine.DispatcherOptions) { o.Caller = nil },
		"concurrency -1 is refused":     func(o *engine.DispatcherOptions) { o.Concurrency = -1 },
		"Bus and Caller are required; ": func(o *engine.DispatcherOptions) { o.Bus = nil },
	} {
		bus := &frailBus{running: make(chan struct{}), broken: make(chan struct{})}
		o := good(bus)
		change(&o)
		if d, err := engine.NewDispatcher(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("made %v, %v; want an error with %q", d, err, want)
		}
		if o.Bus == nil {
			continue
		}
		select {
		case <-bus.running:
		default:
			t.Errorf("%s: the bus was not run, which is how its transport is released", want)
		}
	}
}

func TestDispatcherStopsInEveryState(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]func(t *testing.T, d *engine.Dispatcher){
		"before it runs": func(t *testing.T, d *engine.Dispatcher) {
			wantErr(t, d.Shutdown(t.Context()), nil)
			wantErr(t, d.Run(t.Context()), nil)
		},
		"again and again": func(t *testing.T, d *engine.Dispatcher) {
			run := make(chan error)
			go func() { run <- d.Run(t.Context()) }()
			pass(time.Second)
			wantErr(t, d.Ready(t.Context()), nil)
			for range 3 {
				wantErr(t, d.Shutdown(ended), nil)
			}
			wantErr(t, d.Ready(t.Context()), ports.ErrClosed)
			wantErr(t, <-run, nil)
		},
		"by the context of Run": func(t *testing.T, d *engine.Dispatcher) {
			ctx, cancel := context.WithCancel(t.Context())
			run := make(chan error)
			go func() { run <- d.Run(ctx) }()
			pass(time.Second)
			cancel()
			wantErr(t, <-run, nil)
		},
		"by a context that has ended": func(t *testing.T, d *engine.Dispatcher) { wantErr(t, d.Run(ended), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				d, err := engine.NewDispatcher(engine.DispatcherOptions{
					Bus: goBus(), Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if d.Ready(t.Context()) == nil {
					t.Error("it is ready before it runs")
				}
				test(t, d)
			})
		})
	}
}

// A bus that ends by itself ends the dispatcher, with its error.
func TestDispatcherEndsWithItsBus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		bus := &frailBus{running: make(chan struct{}), broken: make(chan struct{})}
		d, err := engine.NewDispatcher(engine.DispatcherOptions{
			Bus: bus, Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1}),
		})
		if err != nil {
			t.Fatal(err)
		}
		run := make(chan error)
		go func() { run <- d.Run(t.Context()) }()
		pass(time.Second)
		close(bus.broken)
		if err := <-run; !errors.Is(err, errCrash) || !strings.HasPrefix(err.Error(), "dispatch: the bus has ended: ") {
			t.Errorf("run = %v", err)
		}
		wantErr(t, d.Shutdown(t.Context()), errCrash)
	})
}
