// Package enginetest gives a test an engine of its own: whole, in a temporary directory, with retries that take milliseconds, closed when
// the test ends, its log among the test's.
//
// It opens the engine as any embedder does, through package posthorn; receivers for it are in package harness, which the example uses.
package enginetest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"posthorn"
	"posthorn/engine"
)

// A TB is the part of testing.TB that an engine in a test needs; *testing.T and *testing.B are TBs.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
	TempDir() string
}

// Speeded is the policy of webhooks that do not ask for their own: three retries within 130 ms, and 2 s for each attempt.
func Speeded() posthorn.Policy {
	return posthorn.Policy{
		Schedule: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond},
		Timeout:  2 * time.Second,
	}
}

// New opens an engine, which may call any address, and closes it when the test ends; that it does not close well fails the test. At most
// one Options is used: of these Dir, Logger, Defaults and AllowPrivateTargets get values of their own if they have none. A second engine
// on the same Dir, after Close, is a restart.
func New(tb TB, o ...posthorn.Options) *posthorn.Posthorn {
	tb.Helper()
	var opts posthorn.Options
	if len(o) > 0 {
		opts = o[0]
	}
	if opts.Dir == "" {
		opts.Dir = tb.TempDir()
	}
	if opts.Defaults.Schedule == nil && opts.Defaults.Timeout == 0 {
		opts.Defaults = Speeded()
	}
	log := &testLog{tb: tb}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	}
	opts.AllowPrivateTargets = true
	ph, err := posthorn.Open(context.Background(), opts)
	if err != nil {
		tb.Fatalf("enginetest: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		tb.Helper()
		if err := ph.Close(); err != nil {
			tb.Errorf("enginetest: close: %v", err)
		}
		log.end()
	})
	return ph
}

// withoutTime leaves out what the test's log would only make longer.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A testLog writes to the test's log until the test has ended: a line after that would be a panic.
type testLog struct {
	mu    sync.Mutex
	tb    TB
	ended bool
}

// Write never fails.
func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.tb.Logf("%s", strings.TrimRight(string(line), "\n"))
	}
	return len(line), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// Await returns the first event of the type that is in the log, or comes into it, after the event seq; it fails the test if ctx ends or
// the engine stops first.
func Await(ctx context.Context, tb TB, ph *posthorn.Posthorn, seq uint64, eventType string) engine.Event {
	tb.Helper()
	for ev, err := range ph.Follow(ctx, seq) {
		if err != nil {
			tb.Fatalf("enginetest: no %s came: %v", eventType, err)
		}
		if ev.Type == eventType {
			return ev
		}
	}
	tb.Fatalf("enginetest: no %s came: %v", eventType, context.Cause(ctx))
	return engine.Event{}
}
