package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// inFleet runs a test with an exchange, an engine that dispatches nothing, and the caller that its dispatchers share.
func inFleet(t *testing.T, test func(x *exchange, b *bench)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		x := newExchange()
		disk := memstore.New()
		b := x.engine(t, disk).at(portstest.NewScriptedCaller())
		test(x, b)
		b.close()
		wantVerified(t, disk)
	})
}

func TestFleetSharesTheTasks(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		one, other := x.helper(b.t, b.caller), x.helper(b.t, b.caller)
		defer other.stop()
		defer one.stop()
		b.many(20)
		for i := range 10 {
			b.publish(fmt.Sprint(i))
			pass(time.Second)
		}
		b.wantStates(map[string]int{"succeeded": 200})
		b.wantEach(20, 10)
		first, _ := one.saw()
		second, _ := other.saw()
		if first == 0 || second == 0 || first+second != 200 {
			b.t.Errorf("the dispatchers made %d and %d attempts of 200", first, second)
		}
		if n := len(x.published("posthorn.tasks")); n == 0 {
			b.t.Error("no envelope went by the topic that all share")
		}
	})
}

// A dispatcher that dies with attempts under way: they are made again when their leases end, and nothing else is.
func TestDispatcherThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		doomed, other := x.helper(b.t, b.caller), x.helper(b.t, b.caller)
		defer other.stop()
		b.many(20)
		b.slowly(5 * time.Second)
		for i := range 4 {
			b.publish(fmt.Sprint(i))
			pass(time.Millisecond)
		}
		pass(time.Second)
		lost := doomed.UnderWay()
		doomed.kill()
		pass(10 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 80})
		if made := len(b.caller.Requests()); lost == 0 || made != 80+lost {
			b.t.Errorf("%d attempts were made of 80 calls; %d were under way at the death", made, lost)
		}
	})
}

// A dispatcher that is stopped finishes what it has, and what comes meanwhile goes to the other at once: nothing is repeated, and nothing
// waits for the end of a lease.
func TestDispatcherThatIsStoppedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		leaving, other := x.helper(b.t, b.caller), x.helper(b.t, b.caller)
		defer other.stop()
		b.many(20)
		b.slowly(900 * time.Millisecond)
		for i := range 2 { // an envelope for each dispatcher
			b.publish(fmt.Sprint(i))
			pass(50 * time.Millisecond)
		}
		if leaving.UnderWay() == 0 {
			b.t.Error("the dispatcher that leaves has nothing under way")
		}
		stopped := make(chan struct{})
		go func() { // joined below
			defer close(stopped)
			leaving.stop()
		}()
		for i := range 10 {
			pass(50 * time.Millisecond)
			b.publish(fmt.Sprint(i))
		}
		if err := leaving.Ready(b.t.Context()); err == nil {
			b.t.Error("a dispatcher that stops says that it is ready")
		}
		<-stopped
		pass(10 * time.Second) // no lease ends before 30 s
		b.wantStates(map[string]int{"succeeded": 240})
		b.wantEach(20, 12)
	})
}

// A Shutdown that is out of patience cuts the attempts off; their engine has them made again.
func TestDispatcherIsCutOffByTheContext(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller)
		b.many(5)
		b.slowly(10 * time.Second)
		b.publish(`1`)
		pass(time.Second)
		ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Shutdown(ctx); err != nil {
			b.t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			b.t.Errorf("shutdown took %s, want 2 s", took)
		}
		if err := <-h.ended; err != nil {
			b.t.Errorf("run: %v", err)
		}
		h.end()
		other := x.helper(b.t, b.caller)
		defer other.stop()
		pass(2 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 5})
		b.wantEach(5, 2)
	})
}

// Every envelope comes twice and the newest first. With one dispatcher nothing is repeated; with two, each may make an attempt once, and
// it is recorded once.
func TestDuplicatedAndReorderedEnvelopes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			inFleet(t, func(x *exchange, b *bench) {
				x.doubles = true
				for range n {
					h := x.helper(b.t, b.caller)
					b.t.Cleanup(h.stop)
				}
				b.many(10)
				b.slowly(300 * time.Millisecond)
				for i := range 20 {
					b.publish(fmt.Sprint(i))
					pass(100 * time.Millisecond)
				}
				pass(time.Minute)
				b.wantStates(map[string]int{"succeeded": 200})
				b.wantEach(10, 20*n)
				for _, c := range b.calls() {
					if d := b.detail(c.ID); len(d.Attempts) != 1 {
						b.t.Errorf("call %s has %d attempts, want 1", c.ID, len(d.Attempts))
					}
				}
			})
		})
	}
}

// No more attempts than asked for are under way, and what waits too long for its turn is left to the engine.
func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller, func(o *engine.DispatcherOptions) { o.Concurrency = 3 })
		most := 0
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply {
			h.note(func() { most = max(most, h.UnderWay()) })
			return portstest.ScriptedReply{After: 8 * time.Second}
		})
		b.many(30)
		b.publish(`1`)
		pass(20 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 30})
		h.stop()
		if _, dropped := h.saw(); most != 3 || dropped[engine.DroppedLate] == 0 {
			b.t.Errorf("%d attempts were under way at once, want 3; dropped %v, want some as late", most, dropped)
		}
	})
}

// Dispatchers serve every engine of their key: each gets its own outcomes, and one engine's new start takes nothing from the other.
func TestFleetOfTwoEngines(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x, caller := newExchange(), portstest.NewScriptedCaller()
		disks := []ports.Store{memstore.New(), memstore.New()}
		h := x.helper(t, caller)
		defer h.stop()
		one, other := x.engine(t, disks[0]).at(caller), x.engine(t, disks[1]).at(caller)
		defer func() { other.close() }()
		for range 3 { // epochs apart
			one.close()
			one = x.engine(t, disks[0]).at(caller)
		}
		one.invoices(engine.NewWebhook{URL: receiver + "/one"})
		other.invoices(engine.NewWebhook{URL: receiver + "/other"})
		for i := range 5 {
			one.publish(fmt.Sprint(i))
			other.publish(fmt.Sprint(i))
			pass(time.Second)
			one.close()
			one = x.engine(t, disks[0]).at(caller)
		}
		defer func() { one.close() }()
		one.wantStates(map[string]int{"succeeded": 5})
		other.wantStates(map[string]int{"succeeded": 5})
		one.wantEach(2, 5)
	})
}

// An engine with a dispatcher of its own shares its tasks with the others too.
func TestEngineDispatchesBesideAFleet(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x, caller := newExchange(), portstest.NewScriptedCaller()
		b := open(t, func(o *engine.Options) { o.Bus, o.Caller = x.bus(), caller }).at(caller)
		h := x.helper(t, caller)
		defer h.stop()
		b.many(20)
		b.slowly(2 * time.Second)
		for i := range 2 { // an envelope for each dispatcher
			b.publish(fmt.Sprint(i))
			pass(50 * time.Millisecond)
		}
		began := time.Now()
		if err := b.Shutdown(t.Context()); err != nil { // it waits for its own attempts, not for those of others
			t.Error(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the engine's stop took %s", took)
		}
		pass(5 * time.Second)
		if made, _ := h.saw(); made == 0 || made == 40 {
			t.Errorf("the other dispatcher made %d attempts of 40", made)
		}
	})
}

// An engine that dispatches nothing waits, when it is stopped, for what its dispatchers have under way; and what came too late for that is
// recorded at the next start.
func TestEngineOfAFleetStops(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x, caller, disk := newExchange(), portstest.NewScriptedCaller(), memstore.New()
		h := x.helper(t, caller)
		defer h.stop()
		b := x.engine(t, disk).at(caller)
		b.many(5)
		b.slowly(5 * time.Second)
		for patience, want := range map[time.Duration]time.Duration{time.Minute: 4 * time.Second, time.Second: time.Second, 0: 0} {
			b.publish(`1`)
			pass(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			began := time.Now()
			if err := b.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if took := time.Since(began); took != want {
				t.Errorf("a stop with a patience of %s took %s, want %s", patience, took, want)
			}
			pass(20 * time.Second) // the outcomes wait in the transport
			b = x.engine(t, disk).at(caller)
			pass(time.Minute)
		}
		defer b.close()
		b.wantStates(map[string]int{"succeeded": 15})
		b.wantEach(5, 5)
		for _, c := range b.calls() {
			if d := b.detail(c.ID); len(d.Attempts) > 2 {
				t.Errorf("call %s has the attempts %+v", c.ID, d.Attempts)
			}
		}
	})
}
