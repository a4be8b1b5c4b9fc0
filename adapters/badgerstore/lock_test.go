package badgerstore

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"posthorn/ports"
)

// A heard handler tells of each line that is logged.
type heard struct {
	slog.Handler
	lines chan string
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	select {
	case h.lines <- r.Message:
	default: // only the first matters
	}
	return nil
}

func TestOpenWaitsForTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	o := testOptions(dir)
	lines := make(chan string, 1)
	o.WaitLock, o.Logger = time.Minute, slog.New(heard{slog.DiscardHandler, lines})
	opened := make(chan error, 1)
	go func() { // ends when the first store is closed
		next, err := Open(t.Context(), o)
		if err == nil {
			err = next.Close()
		}
		opened <- err
	}()
	select {
	case line := <-lines:
		if want := "waiting for the data directory"; line != want {
			t.Errorf("it says %q, want %q", line, want)
		}
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("when the directory was free, Open returned %v", err)
	}
}

func TestOpenWaitsNoLonger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	o := testOptions(dir)
	o.WaitLock = time.Millisecond
	if _, err := Open(t.Context(), o); !errors.Is(err, ports.ErrLocked) || !strings.HasPrefix(err.Error(), "waited for 1ms: ") {
		t.Errorf("after its time Open returned %v, want %v", err, ports.ErrLocked)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.WaitLock = time.Hour
	if _, err := Open(ended, o); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context Open returned %v, want %v", err, context.Canceled)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
