package posthorn_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"posthorn"
	"posthorn/harness"
)

// TestCloseManyTimes: Close and Shutdown from anywhere, at once and again, and then commands are refused.
func TestCloseManyTimes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ph := open(t, posthorn.Options{Dir: dir})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			stop := ph.Close
			if i%2 == 0 {
				stop = func() error { return ph.Shutdown(context.Background()) }
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if _, err := ph.CreateCandidate(context.Background(), ada()); !errors.Is(err, posthorn.ErrClosed) {
				t.Errorf("CreateCandidate returned %v, want %v", err, posthorn.ErrClosed)
			}
		})
	}
	wg.Wait()
	if _, err := ph.Call(t.Context(), company, "call_x"); !errors.Is(err, posthorn.ErrClosed) {
		t.Errorf("Call returned %v, want %v", err, posthorn.ErrClosed)
	}
	if err := ph.Ready(t.Context()); !errors.Is(err, posthorn.ErrClosed) {
		t.Errorf("Ready returned %v, want %v", err, posthorn.ErrClosed)
	}
	if err := errors.Join(ph.Shutdown(t.Context()), ph.Close()); err != nil {
		t.Error(err)
	}
	open(t, posthorn.Options{Dir: dir}) // nobody holds it
}

// TestShutdownDrains: an attempt under way is answered and recorded, and not made again after the next start.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver, answer := harness.NewReceiver(t), make(chan struct{})
	ph := underWay(t, dir, receiver, answer)
	last, err := ph.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- ph.Shutdown(bounded(t)) }()
	for ev, err := range ph.Follow(t.Context(), last) {
		t.Errorf("%s came out of nothing: %v", ev.Type, err)
	}
	// Follow has ended, so the shutdown has begun; the answer comes only now.
	close(answer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	ph = open(t, posthorn.Options{Dir: dir})
	if all := calls(t, ph); len(all) != 1 || all[0].State != posthorn.Succeeded {
		t.Errorf("the calls are %+v; the outcome was to be recorded", all)
	}
	if a := receiver.Account(); a.Deliveries != 1 || a.Verified != 1 {
		t.Errorf("want one verified delivery: %v", a)
	}
}

// TestCloseCutsOff: Close does not wait for the receiver; the attempt is made again after the next start, with the same message id.
func TestCloseCutsOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver := harness.NewReceiver(t)
	ph := underWay(t, dir, receiver, make(chan struct{})) // never answered
	shut(t, ph)

	ph = open(t, posthorn.Options{Dir: dir})
	all := ended(t, ph, "CallSucceeded")
	if len(all) != 1 || all[0].State != posthorn.Succeeded || all[0].AttemptCount != 1 {
		t.Errorf("the calls are %+v", all)
	}
	if a := receiver.Account(all[0].Message); a.Unique != 1 || a.Retries != 1 || !a.OK() {
		t.Errorf("want one message twice: %v", a)
	}
}

// TestShutdownGivesUp: an ended context makes a Shutdown a Close.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	receiver := harness.NewReceiver(t)
	ph := underWay(t, t.TempDir(), receiver, make(chan struct{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ph.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// underWay returns an engine with one attempt that waits for its answer.
func underWay(t *testing.T, dir string, receiver *harness.Receiver, answer chan struct{}) *posthorn.Posthorn {
	t.Helper()
	receiver.Reply(harness.Reply{Hold: answer})
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	create(t, ph)
	if err := receiver.Await(bounded(t), 1); err != nil {
		t.Fatal(err)
	}
	return ph
}
