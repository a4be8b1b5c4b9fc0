package engine_test

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

const tasks = "posthorn.tasks"

// Who can write to the topics and has not the key makes nobody call, sign or record anything.
func TestForgedTasksAreNotMade(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller)
		defer h.stop()
		b.invoices(engine.NewWebhook{})
		b.publish(`1`)
		pass(time.Second)
		id, _ := b.ID()
		outcomes := "posthorn." + id + ".outcomes"
		task, outcome := x.published(tasks)[0], x.published(outcomes)[0]
		meta := func(name, value string) func(e *ports.Envelope) {
			return func(e *ports.Envelope) { e.Meta = maps.Clone(e.Meta); e.Meta[name] = value }
		}
		flip := func(at int) func(e *ports.Envelope) {
			return func(e *ports.Envelope) { e.Body = bytes.Clone(e.Body); e.Body[(at+len(e.Body))%len(e.Body)] ^= 1 }
		}
		forgeries := map[string][]func(e *ports.Envelope){
			"of another engine":       {meta("posthorn-engine", "eng_other")},
			"of a later epoch":        {meta("posthorn-epoch", "2")},
			"of an epoch with a zero": {meta("posthorn-epoch", "01")},
			"of another format":       {meta("posthorn-format", "2")},
			"without metadata":        {func(e *ports.Envelope) { e.Meta = nil }},
			"with another nonce":      {flip(0)},
			"with another body":       {flip(20)},
			"with another tag":        {flip(-1)},
			"cut short":               {func(e *ports.Envelope) { e.Body = e.Body[:len(e.Body)-1] }},
			"shorter than a nonce":    {func(e *ports.Envelope) { e.Body = e.Body[:5] }},
			"empty":                   {func(e *ports.Envelope) { e.Body = nil }},
			"in the clear":            {func(e *ports.Envelope) { e.Body = []byte(`[{"7":"https://evil.example"}]`) }},
			"longer":                  {func(e *ports.Envelope) { e.Body = append(bytes.Clone(e.Body), e.Body...) }},
			"head of one, tail of another": {func(e *ports.Envelope) {
				e.Body = append(bytes.Clone(task.Body[:len(task.Body)/2]), outcome.Body[len(outcome.Body)/2:]...)
			}},
		}
		for _, changes := range forgeries {
			for _, at := range []struct {
				topic    string
				original ports.Envelope
			}{{tasks, task}, {outcomes, outcome}} {
				forged := at.original
				for _, change := range changes {
					change(&forged)
				}
				x.put(at.topic, forged)
			}
		}
		x.put(tasks, outcome) // each on the other's topic
		x.put(outcomes, task)
		pass(time.Second)
		want := len(forgeries) + 1
		for _, topic := range []string{tasks, outcomes} {
			if n := len(x.published(topic + ".rejected")); n != want {
				b.t.Errorf("%d envelopes were put aside on %s, want %d", n, topic, want)
			}
		}
		h.note(func() {
			if h.rejected != want || h.attempts != 1 || len(h.dropped) > 0 {
				b.t.Errorf("the dispatcher rejected %d, dropped %v, attempted %d; want %d, none, 1", h.rejected, h.dropped, h.attempts, want)
			}
		})
		b.publish(`2`)
		pass(time.Second)
		b.wantStates(map[string]int{"succeeded": 2})
		b.wantEach(1, 2)
	})
}

// A dispatcher under another key takes the same envelopes for strays, whatever they say.
func TestAnotherKeyOpensNothing(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		caller := portstest.NewScriptedCaller()
		h := x.helper(b.t, caller, func(o *engine.DispatcherOptions) { o.Key = engine.NewKey([engine.KeyBytes]byte{2}) })
		b.invoices(engine.NewWebhook{})
		b.publish(`1`)
		pass(time.Second)
		h.stop()
		if n := len(caller.Requests()); n != 0 || h.rejected != 1 {
			b.t.Errorf("%d attempts under another key, and %d envelopes rejected; want none and 1", n, h.rejected)
		}
		right := x.helper(b.t, b.caller)
		defer right.stop()
		pass(2 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// A recorded envelope that comes again is known to the dispatcher that has seen it, under whatever id; to one that has not, it is late
// after ten seconds.
func TestReplayedTasksAreDropped(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller)
		b.many(3)
		b.publish(`1`)
		pass(time.Second)
		recorded := x.published(tasks)
		for i := range 5 {
			for _, e := range recorded {
				e.ID = string(rune('a' + i)) // anybody can write this one
				x.put(tasks, e)
			}
		}
		pass(time.Second)
		if made, dropped := h.saw(); made != 3 || dropped[engine.DroppedReplayed] != 5*3 {
			b.t.Errorf("%d attempts, want 3; dropped %v, want 15 as replayed", made, dropped)
		}
		pass(10 * time.Second) // now it is too late for them
		b.publish(`2`)         // and they are forgotten
		pass(time.Second)
		for _, e := range recorded {
			x.put(tasks, e)
		}
		pass(time.Second)
		h.stop()
		if made, dropped := h.saw(); made != 6 || dropped[engine.DroppedLate] != 3 {
			b.t.Errorf("%d attempts, want 6; dropped %v, want 3 as late", made, dropped)
		}
		other := x.helper(b.t, b.caller)
		defer other.stop()
		for _, e := range recorded {
			x.put(tasks, e)
		}
		pass(time.Second)
		if made, dropped := other.saw(); made != 0 || dropped[engine.DroppedLate] != 3 {
			b.t.Errorf("another dispatcher made %d attempts, want none; dropped %v", made, dropped)
		}
		b.wantEach(3, 2)
	})
}

// What remains: a dispatcher that has not seen the envelope, and gets it within its ten seconds, makes the attempts once more. The receiver
// sees the same id and bytes, and the log has one attempt.
func TestReplayElsewhereInTimeIsOneRepeat(t *testing.T) {
	t.Parallel()
	inFleet(t, func(x *exchange, b *bench) {
		h := x.helper(b.t, b.caller)
		b.invoices(engine.NewWebhook{})
		b.publish(`1`)
		pass(time.Second)
		h.stop()
		other := x.helper(b.t, b.caller)
		defer other.stop()
		for range 3 {
			x.put(tasks, x.published(tasks)[0])
		}
		pass(time.Second)
		r := b.caller.Requests()
		if len(r) != 2 || r[0].URL != r[1].URL || r[0].Header["webhook-id"] != r[1].Header["webhook-id"] || !bytes.Equal(r[0].Body, r[1].Body) {
			b.t.Errorf("attempts = %+v, want two that tell the same", r)
		}
		b.wantStates(map[string]int{"succeeded": 1})
		if d := b.detail(b.calls()[0].ID); len(d.Attempts) != 1 {
			b.t.Errorf("attempts = %+v, want one: both have the same lease", d.Attempts)
		}
	})
}

// An engine that was started anew has its attempts made anew: a dispatcher that knows of it drops what the old one asked for.
func TestTasksOfAnOlderEpochAreDropped(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		x, caller, disk := newExchange(), portstest.NewScriptedCaller(), memstore.New()
		b := x.engine(t, disk).at(caller)
		b.many(2)
		b.publish(`1`)
		pass(time.Second)
		b.close()
		old := x.published(tasks)
		x.mu.Lock()
		x.waiting = map[string][]ports.Envelope{}
		x.mu.Unlock()
		b = x.engine(t, disk).at(caller)
		defer b.close()
		h := x.helper(t, caller)
		defer h.stop()
		pass(time.Second)
		b.wantStates(map[string]int{"succeeded": 2})
		for _, e := range old {
			x.put(tasks, e)
		}
		pass(time.Second)
		if made, dropped := h.saw(); made != 2 || dropped[engine.DroppedOlderEpoch] != 2 {
			t.Errorf("%d attempts, want 2; dropped %v, want 2 of the older epoch", made, dropped)
		}
	})
}
