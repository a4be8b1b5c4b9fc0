package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

var errCrash = errors.New("crash injected by the test")

// A storyteller runs a short story and remembers what was answered.
type storyteller struct {
	*bench

	accepted map[string]bool // messages that were answered
}

// tell does all that a small system does: two webhooks, of which one fails at first, messages, a disable, a retry.
func (s *storyteller) tell() {
	ctx := context.Background()
	good, err := s.RegisterWebhook(ctx, engine.NewWebhook{Company: "42", URL: receiver + "/good", EventTypes: []string{"*"}})
	if err != nil {
		return
	}
	if _, err := s.RegisterWebhook(ctx, engine.NewWebhook{
		Company: "42", URL: receiver + "/shaky", EventTypes: []string{"*"}, Schedule: []time.Duration{time.Minute, time.Minute},
	}); err != nil {
		return
	}
	for i := range 3 {
		m, err := s.Publish(ctx, engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: fmt.Append(nil, i), IdempotencyKey: fmt.Sprint(i)})
		if err != nil {
			return
		}
		s.accepted[m.ID] = true
		pass(10 * time.Second)
	}
	if _, err := s.DisableWebhook(ctx, "42", good.ID); err == nil {
		pass(time.Minute)
		_, _ = s.EnableWebhook(ctx, "42", good.ID) // the crash may come here
	}
	pass(time.Hour)
}

// TestNoCrashOfTheStoreLosesAnything breaks the k-th write of a story, before and after its effect, for every k.
func TestNoCrashOfTheStoreLosesAnything(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*portstest.FaultStore, int){
		"before": func(f *portstest.FaultStore, k int) { f.FailBefore(k, errCrash) },
		"after":  func(f *portstest.FaultStore, k int) { f.FailAfter(k, errCrash) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for k := 1; crashAt(t, k, fail); k++ {
				if t.Failed() {
					t.Fatalf("the write that broke was number %d", k)
				}
			}
		})
	}
}

// crashAt tells the story with a broken write, goes on after a restart, and tells whether the story had that many writes.
func crashAt(t *testing.T, k int, fail func(*portstest.FaultStore, int)) (broke bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		faults := portstest.NewFaultStore(disk)
		caller.Script(receiver+"/shaky", status(http.StatusInternalServerError), status(http.StatusInternalServerError))
		b := openOn(t, faults, caller)
		fail(faults, k)
		s := &storyteller{bench: b, accepted: map[string]bool{}}
		s.tell()
		if broke = faults.Applies() > k; broke { // with the opening's
			wantErr(t, b.Ready(t.Context()), ports.ErrUnknownOutcome)
			wantErr(t, b.Close(), errCrash)
		} else {
			b.close()
		}
		if broke = faults.Applies() == k+1; !broke {
			return
		}
		b = openOn(t, disk, caller)
		defer b.close()
		pass(24 * time.Hour)
		b.wantWhole(s.accepted)
		wantVerified(t, disk)
	})
	return broke
}

// wantWhole fails the test unless every call has ended, and every accepted message has one call for each webhook of the story.
func (b *bench) wantWhole(accepted map[string]bool) {
	b.t.Helper()
	calls := map[string]int{}
	for _, c := range b.calls() {
		calls[c.Message]++
		if c.State == "pending" {
			b.t.Errorf("call %+v never ended", c)
		}
	}
	for m := range accepted {
		if calls[m] != 2 {
			b.t.Errorf("message %s was accepted and has %d calls, want 2", m, calls[m])
		}
	}
}

// wantVerified fails the test unless the rows are what the log says, and the vault holds what it names.
func wantVerified(t *testing.T, disk ports.Store) {
	t.Helper()
	report, err := engine.Verify(t.Context(), disk, memstore.New())
	if err != nil || !report.OK() {
		t.Errorf("verify = %+v, %v", report, err)
	}
}

func TestLowDiskStopsWritesAndAttemptsUntilItHasRoom(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		low := &lowDisk{Store: disk}
		b := openOn(t, low, caller)
		defer b.close()
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		low.set(true)
		_, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(`2`)})
		wantErr(t, err, ports.ErrDiskLow)
		wantErr(t, b.Ready(t.Context()), ports.ErrDiskLow)
		pass(time.Hour)
		if n := len(b.caller.Requests()); n != 1 {
			t.Errorf("%d attempts while the disk was low, want none after the first", n)
		}
		if len(b.calls()) != 1 {
			t.Error("the history cannot be read, or holds what was refused")
		}
		low.set(false)
		b.answer(http.StatusOK)
		pass(10 * time.Second)
		if err := b.Ready(t.Context()); err != nil {
			t.Errorf("ready = %v after the disk has room again", err)
		}
		b.publish(`3`)
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 2})
	})
}

// An outcome that comes while the disk is low is kept by the bus until it can be written.
func TestOutcomeWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		low := &lowDisk{Store: disk}
		b := openOn(t, low, caller)
		defer b.close()
		b.invoices(engine.NewWebhook{})
		reply := status(http.StatusOK)
		reply.After = time.Second
		b.caller.Script(receiver, reply)
		b.publish(`1`)
		low.set(true)
		pass(20 * time.Second)
		low.set(false)
		pass(20 * time.Second)
		b.wantStates(map[string]int{"succeeded": 1})
		if n := len(b.caller.Requests()); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

// A lowDisk refuses to write while it is low.
type lowDisk struct {
	ports.Store

	mu  sync.Mutex
	low bool
}

func (d *lowDisk) set(low bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.low = low
}

func (d *lowDisk) Apply(ctx context.Context, c ports.Commit) error {
	d.mu.Lock()
	low := d.low
	d.mu.Unlock()
	if low {
		return fmt.Errorf("apply: %w", ports.ErrDiskLow)
	}
	return d.Store.Apply(ctx, c)
}

// blind is a store that cannot be read once it is shut.
type blind struct {
	ports.Store

	mu   sync.Mutex
	shut bool
}

func (s *blind) View(ctx context.Context, read func(ports.Reader) error) error {
	s.mu.Lock()
	shut := s.shut
	s.mu.Unlock()
	if shut {
		return errCrash
	}
	return s.Store.View(ctx, read)
}

func TestCommandIsAnsweredWhenTheStoreCannotBeRead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &blind{Store: memstore.New()}
		b := openOn(t, store, portstest.NewScriptedCaller())
		store.mu.Lock()
		store.shut = true
		store.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)})
		wantErr(t, err, ports.ErrUnknownOutcome)
		wantErr(t, b.Close(), errCrash)
	})
}
