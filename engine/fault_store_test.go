package engine_test

import (
	"context"
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
		b := openOn(t, faults, caller)
		b.rehearse()
		fail(faults, k)
		s := newStoryteller(b)
		s.tell()
		if broke = faults.Applies() > k; !broke { // with the opening's
			wantErr(t, s.broke, nil)
			wantAllKinds(b)
			b.close()
			return
		}
		wantErr(t, b.Ready(t.Context()), ports.ErrUnknownOutcome)
		wantErr(t, b.Close(), errCrash)
		if faults.Applies() != k+1 {
			t.Errorf("%d writes came after the one that broke", faults.Applies()-k-1)
		}
		b = openOn(t, disk, caller)
		defer b.close()
		pass(48 * time.Hour)
		s.wantAccount(b)
		wantVerified(t, disk)
	})
	return broke
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
