package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// withFaults puts a faulty bus under an engine, which is told that it carries within this process and loses nothing.
func withFaults(into **portstest.FaultBus, plan func(topic string, nth int) portstest.BusFault) func(*engine.Options) {
	*into = portstest.NewFaultBus(goBus(), plan)
	return func(o *engine.Options) { o.Bus = localBus{*into} }
}

// goBus is the bus that posthorn.Open makes.
func goBus() ports.Bus {
	channel := gochannel.New()
	return watermillbus.New(channel, channel, watermillbus.Options{Local: true})
}

// TestEveryCallEndsOverAFaultyBus makes every third Publish of a topic go wrong in one way, for a while.
func TestEveryCallEndsOverAFaultyBus(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]portstest.BusFault{
		"fails before": portstest.BusFailBefore, "fails after": portstest.BusFailAfter, "drops": portstest.BusDrop,
		"duplicates": portstest.BusDuplicate, "reverses": portstest.BusReverse, "holds": portstest.BusHold,
	} {
		for _, topic := range []string{"tasks", "outcomes"} {
			t.Run(name+" "+topic, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					var bus *portstest.FaultBus
					b := open(t, withFaults(&bus, func(on string, nth int) portstest.BusFault {
						if strings.HasSuffix(on, "."+topic) && nth%3 == 1 && nth < 30 {
							return fault
						}
						return portstest.BusFaithful
					}))
					defer b.close()
					b.many(5)
					for i := range 20 {
						b.publish(fmt.Sprint(i))
						pass(time.Second)
					}
					pass(time.Minute)
					if _, err := bus.Release(t.Context()); err != nil { // late tasks and outcomes
						t.Fatal(err)
					}
					pass(24 * time.Hour)
					b.wantStates(map[string]int{"succeeded": 100})
					b.wantEach(5, 80)
				})
			})
		}
	}
}

func TestDroppedTaskIsTaskedAgainAtTheEndOfItsLease(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var bus *portstest.FaultBus
		b := open(t, withFaults(&bus, func(on string, nth int) portstest.BusFault {
			if strings.HasSuffix(on, ".tasks") && nth == 1 {
				return portstest.BusDrop
			}
			return portstest.BusFaithful
		}))
		defer b.close()
		at := starts(b, status(http.StatusOK))
		b.invoices(engine.NewWebhook{})
		began := time.Now()
		b.publish(`1`)
		pass(time.Hour)
		if len(*at) != 1 {
			t.Fatalf("%d attempts, want one after the lease", len(*at))
		}
		// 10 s to begin, 15 s of the webhook's timeout, 5 s of margin; leases are looked after every 250 ms
		if got := (*at)[0].Sub(began); got < 30*time.Second || got > 31*time.Second {
			t.Errorf("the attempt came after %s; want it after the lease of 30 s", got)
		}
		if d := b.detail(b.calls()[0].ID); d.Attempts[0].Lease != 2 || d.Attempts[0].Attempt != 1 {
			t.Errorf("attempt = %+v, want attempt 1 under lease 2", d.Attempts[0])
		}
	})
}

func TestDuplicatesAreRecordedOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var bus *portstest.FaultBus
		b := open(t, withFaults(&bus, func(string, int) portstest.BusFault { return portstest.BusDuplicate }))
		defer b.close()
		reply := status(http.StatusInternalServerError)
		reply.After = time.Second
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply { return reply })
		b.register(engine.NewWebhook{Seed: true})
		b.candidate()
		pass(time.Hour)
		d := b.detail(b.calls()[0].ID)
		if len(d.Attempts) != 3 || len(b.caller.Requests()) != 3 {
			t.Errorf("%d attempts were made, %d recorded, want 3 of each", len(b.caller.Requests()), len(d.Attempts))
		}
		for i, a := range d.Attempts {
			if a.Attempt != i+1 || a.Lease != 1 {
				t.Errorf("attempt %d = %+v", i+1, a)
			}
		}
	})
}

// A first outcome that comes after its attempt was made again, with success, still counts as the call's success.
func TestHeldOutcomeIsRecordedLate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var bus *portstest.FaultBus
		b := open(t, withFaults(&bus, func(on string, nth int) portstest.BusFault {
			if strings.HasSuffix(on, ".outcomes") && nth == 1 {
				return portstest.BusHold
			}
			return portstest.BusFaithful
		}))
		defer b.close()
		b.caller.Script(receiver, status(http.StatusOK), status(http.StatusInternalServerError))
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		b.publish(`1`)
		pass(time.Minute)
		b.wantStates(map[string]int{"failed: schedule used up": 1})
		if _, err := bus.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		b.wantStates(map[string]int{"succeeded": 1})
		if d := b.detail(b.calls()[0].ID); len(d.Attempts) != 2 {
			t.Errorf("attempts = %+v, want both", d.Attempts)
		}
	})
}

func TestGarbageIsKeptAsideAndNothingIsLost(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var bus *portstest.FaultBus
		var rejected atomic.Int64
		b := open(t, withFaults(&bus, func(string, int) portstest.BusFault { return portstest.BusFaithful }), func(o *engine.Options) {
			o.Hooks.Rejected = func(string, error) { rejected.Add(1) }
		})
		defer b.close()
		b.invoices(engine.NewWebhook{})
		id, epoch := b.ID()
		good := map[string]string{"posthorn-format": "1", "posthorn-engine": id, "posthorn-epoch": fmt.Sprint(epoch)}
		with := func(name, value string) map[string]string {
			out := map[string]string{name: value}
			for k, v := range good {
				if k != name {
					out[k] = v
				}
			}
			return out
		}
		garbage := []ports.Envelope{
			{ID: "no meta"},
			{ID: "not sealed", Meta: good, Body: []byte("{}")},
			{ID: "empty", Meta: good},
			{ID: "format", Meta: with("posthorn-format", "2")},
			{ID: "engine", Meta: with("posthorn-engine", "other")},
			{ID: "epoch", Meta: with("posthorn-epoch", "-1")},
		}
		for _, topic := range []string{"posthorn.tasks", "posthorn." + id + ".outcomes"} {
			if err := bus.Publish(t.Context(), topic, garbage...); err != nil {
				t.Fatal(err)
			}
			b.publish(`1`)
			pass(time.Minute)
			if n := bus.Published(topic + ".rejected"); n != len(garbage) {
				t.Errorf("%d envelopes were put aside on %s, want %d", n, topic, len(garbage))
			}
		}
		if n := rejected.Load(); n != int64(2*len(garbage)) {
			t.Errorf("the hook was called %d times, want %d", n, 2*len(garbage))
		}
		b.wantStates(map[string]int{"succeeded": 2})
	})
}

// A bus that ends by itself is not silent.
func TestBusThatEndsIsNotReady(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		bus := &frailBus{running: make(chan struct{}), broken: make(chan struct{})}
		b := open(t, func(o *engine.Options) { o.Bus = bus })
		if err := b.Ready(t.Context()); err != nil {
			t.Errorf("ready = %v at the start", err)
		}
		close(bus.broken)
		pass(time.Second)
		wantErr(t, b.Ready(t.Context()), errCrash)
		wantErr(t, b.Close(), errCrash)
	})
}

// A frailBus carries nothing, and ends with an error when it is broken.
type frailBus struct{ running, broken chan struct{} }

func (*frailBus) Publish(context.Context, string, ...ports.Envelope) error { return nil }
func (*frailBus) Handle(string, ports.Handler)                             {}
func (b *frailBus) Running() <-chan struct{}                               { return b.running }

func (b *frailBus) Run(ctx context.Context) error {
	close(b.running)
	select {
	case <-b.broken:
		return errCrash
	case <-ctx.Done():
		return nil
	}
}

// A bus that takes no outcomes delays a stop by the two margins, and loses only attempts, which are made again.
func TestStopEndsThoughTheBusTakesNoOutcomes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var bus *portstest.FaultBus
		b := open(t, withFaults(&bus, func(on string, _ int) portstest.BusFault {
			if strings.HasSuffix(on, ".outcomes") {
				return portstest.BusFailBefore
			}
			return portstest.BusFaithful
		}))
		b.many(10)
		b.publish(`1`)
		pass(time.Second)
		began := time.Now()
		b.close()
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("the stop took %s, want at most 11 s", took)
		}
	})
}
