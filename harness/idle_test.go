package harness_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

// Quiet is counted from the call, and from the end of what is under way. Only what must not be too early is looked at, so that a slow
// machine fails nothing.
func TestAwaitIdle(t *testing.T) {
	t.Parallel()
	const quiet = 50 * time.Millisecond
	client, r := newClient(t), start(t, harness.Options{})
	hold := make(chan struct{})
	r.Reply(harness.Reply{Hold: hold})
	req, answered := request(t, r.URL(), "msg_1", "{}", time.Now()), make(chan error)
	go func() {
		_, err := exchange(client, req)
		answered <- err
	}()
	if err := r.Await(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	idle := make(chan time.Time)
	go func() {
		if err := r.AwaitIdle(soon(t), quiet); err != nil {
			t.Error(err)
		}
		idle <- time.Now()
	}()
	brief, cancel := context.WithTimeout(t.Context(), quiet*3/2)
	defer cancel()
	if err := r.AwaitIdle(brief, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("idle while a request is held: %v", err)
	}
	released := time.Now()
	close(hold)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if took := (<-idle).Sub(released); took < quiet {
		t.Errorf("idle %v after the last request ended", took)
	}
	called := time.Now()
	if err := r.AwaitIdle(soon(t), quiet); err != nil || time.Since(called) < quiet {
		t.Errorf("idle %v after the call, %v", time.Since(called), err)
	}
}

func TestAwaitIdleInVain(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	r.Reply(harness.Reply{Fault: harness.Hang})
	req := request(t, r.URL()+"/a", "msg_1", "{}", time.Now())
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		_, _ = exchange(client, req)
	}()
	if err := r.Await(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.Endpoint("/a").AwaitIdle(ctx, 0)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "/a: 1 requests are under way") {
		t.Errorf("error %v", err)
	}
	if err := r.Endpoint("/b").AwaitIdle(soon(t), time.Millisecond); err != nil {
		t.Errorf("another path: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- r.AwaitIdle(soon(t), time.Millisecond) }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil && !errors.Is(err, harness.ErrClosed) { // it may have been idle first
		t.Errorf("over Close: %v", err)
	}
	<-hung
}

func TestReset(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{Secret: secret})
	own := r.Endpoint("/own")
	if err := own.SetSecret("whsec_b3RoZXI="); err != nil {
		t.Fatal(err)
	}
	r.Reply(harness.Reply{Status: 500, Keep: true})
	own.Reply(harness.Reply{Status: 501, Times: 2})
	own.Expect("msg_1", "msg_2")
	send(t, client, own.URL(), "msg_1")
	r.Reset()
	if a := r.Account(); a.Deliveries+a.Bad+a.Expected+len(r.Deliveries())+own.Account().Expected != 0 || !a.First.IsZero() {
		t.Errorf("after Reset: %+v", a)
	}
	if status := send(t, client, own.URL(), "msg_1"); status != 204 {
		t.Errorf("the script is still there: %d", status)
	}
	if d := r.Deliveries()[0]; d.N != 2 || d.Repeat != 0 || d.Signature.Result != harness.Wrong {
		t.Errorf("told apart from the one before, with the same secret: %+v", d)
	}
}
