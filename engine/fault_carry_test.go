package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// TestNoFaultOfTheBusLosesAnything lets the k-th Publish of the whole story, or the k-th delivery to a handler, go wrong in each way that
// a bus may, for every k.
func TestNoFaultOfTheBusLosesAnything(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]portstest.BusFault{
		"fails before": portstest.BusFailBefore, "fails after": portstest.BusFailAfter, "drops": portstest.BusDrop,
		"duplicates": portstest.BusDuplicate, "holds until the end": portstest.BusHold,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyFault(t, func(k int) (*faultyBus, func() bool) {
				bus := newFaultyBus(fault, k)
				return bus, func() bool { return int(bus.published.Load()) >= k }
			})
		})
	}
	for name, after := range map[string]bool{"handler panics before": false, "handler panics after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyFault(t, func(k int) (*faultyBus, func() bool) {
				bus := newFaultyBus(portstest.BusFaithful, 0)
				bus.panicAt, bus.after = k, after
				return bus, func() bool { return int(bus.handled.Load()) >= k }
			})
		})
	}
}

// everyFault tells the story with fault k, for every k that the story comes to. Late envelopes arrive when all is over.
func everyFault(t *testing.T, plan func(k int) (bus *faultyBus, struck func() bool)) {
	t.Helper()
	more := true
	for k := 1; more && !t.Failed(); k++ {
		synctest.Test(t, func(t *testing.T) {
			disk := memstore.New()
			bus, struck := plan(k)
			b := open(t, func(o *engine.Options) { o.Store, o.Bus = &session{Store: disk}, bus })
			defer b.close()
			b.rehearse()
			s := newStoryteller(b)
			s.tell()
			wantErr(t, s.broke, nil)
			if _, err := bus.Release(t.Context()); err != nil {
				t.Error(err)
			}
			pass(time.Hour)
			s.wantAccount(b)
			wantVerified(t, disk)
			if more = struck(); t.Failed() {
				t.Logf("the fault was number %d", k)
			}
		})
	}
}

// A faultyBus is a bus with one fault: in the k-th Publish, whatever its topic, or in a handler.
type faultyBus struct {
	*portstest.FaultBus

	published, handled atomic.Int64
	panicAt            int // the delivery whose handler panics; 0 for none
	after              bool
}

func newFaultyBus(fault portstest.BusFault, k int) *faultyBus {
	b := &faultyBus{}
	b.FaultBus = portstest.NewFaultBus(goBus(), func(string, int) portstest.BusFault {
		if b.published.Add(1) == int64(k) {
			return fault
		}
		return portstest.BusFaithful
	})
	return b
}

// Handle lets the handler panic, once, before or after it has done its work.
func (b *faultyBus) Handle(topic string, h ports.Handler) {
	b.FaultBus.Handle(topic, func(ctx context.Context, e ports.Envelope) error {
		strikes := b.handled.Add(1) == int64(b.panicAt)
		if strikes && !b.after {
			panic("injected by the test")
		}
		err := h(ctx, e)
		if strikes {
			panic("injected by the test")
		}
		return err
	})
}

// What a Caller does that breaks its contract is an attempt that failed: the receiver's lane goes on, and so does everybody else's.
func TestCallerThatPanicsIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		caller := &panickyCaller{ScriptedCaller: portstest.NewScriptedCaller(), at: receiver + "/bad", times: 2}
		b := open(t, func(o *engine.Options) { o.Caller = caller })
		b.caller = caller.ScriptedCaller
		defer b.close()
		b.invoices(engine.NewWebhook{URL: receiver + "/bad", Schedule: []time.Duration{time.Minute, time.Minute}})
		b.invoices(engine.NewWebhook{URL: receiver + "/good"})
		b.publish(`1`)
		pass(time.Second)
		for _, c := range b.calls() {
			if bad := c.URL == caller.at; bad && (c.LastClass != ports.ClassInternal || c.AttemptCount != 1) || !bad && c.State != "succeeded" {
				t.Errorf("call = %+v after the caller has panicked at %s", c, caller.at)
			}
		}
		pass(time.Hour)
		b.wantStates(map[string]int{"succeeded": 2})
	})
}

// A panickyCaller panics in its first attempts at one URL.
type panickyCaller struct {
	*portstest.ScriptedCaller

	at    string
	times int
}

func (c *panickyCaller) Call(ctx context.Context, r ports.Request) ports.Reply {
	if r.URL == c.at && c.times > 0 {
		c.times-- // the attempts of one call do not overlap
		panic(fmt.Sprintf("no answer is like this one: %d", http.StatusTeapot))
	}
	return c.ScriptedCaller.Call(ctx, r)
}
