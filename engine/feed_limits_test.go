package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// TestIdleFeedWritesNothing: the mark is written when something was published, at most once a second, and then no more.
func TestIdleFeedWritesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var r reader
		faults := portstest.NewFaultStore(memstore.New())
		b := open(t, r.feeding(faithful), func(o *engine.Options) { o.Store = faults })
		defer b.close()
		for i := range 100 {
			b.publish(fmt.Sprint(i))
			pass(100 * time.Millisecond)
		}
		pass(time.Minute)
		const commits = 1 + 100 // the opening's, and the messages'
		if n := faults.Applies() - commits; n < 5 || n > 12 {
			t.Errorf("the mark was written %d times in ten seconds", n)
		}
		before := faults.Applies()
		pass(10 * time.Minute)
		if n := faults.Applies() - before; n != 0 {
			t.Errorf("an idle engine wrote %d times", n)
		}
	})
}

// TestEventsWithoutTheDisk: while the mark cannot be written, no more is published than may be repeated.
func TestEventsWithoutTheDisk(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var r reader
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		for range 1000 {
			b.publish(`1`)
		}
		b.close()
		low := &lowDisk{Store: disk}
		b = open(t, r.feeding(func(nth int) portstest.BusFault {
			if nth == 1 {
				low.set(true)
			}
			return portstest.BusFaithful
		}), func(o *engine.Options) { o.Store = low })
		defer b.close()
		pass(time.Minute)
		if n := len(r.events()); n == 0 || n > 1000+128 {
			t.Errorf("%d events were published while the mark could not be written", n)
		}
		low.set(false)
		pass(time.Hour)
		r.wantAll(t, b.last())
	})
}

// TestEventThatIsTooLarge: it comes without its payload, or without its data, and those behind it come too.
func TestEventThatIsTooLarge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit         int
		payload, data bool
	}{"payload": {2000, false, true}, "data": {450, false, false}, "neither": {100_000, true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := reader{limit: test.limit}
				b := open(t, r.feeding(faithful), func(o *engine.Options) { o.PublishEventPayloads = true })
				defer b.close()
				b.invoices(engine.NewWebhook{URL: receiver + "/" + strings.Repeat("x", 300)})
				b.publish(`"` + strings.Repeat("x", 10_000) + `"`)
				b.publish(`1`)
				pass(time.Minute)
				r.wantAll(t, b.last())
				for _, e := range r.events() {
					got := readEvent(t, e)
					judge(t, e)
					if got.Type == "posthorn.MessagePublished" && got.Data.Seq < 4 && (got.Data.Payload != nil) != test.payload {
						t.Errorf("event %d has the payload %.50s, want one: %v", got.Data.Seq, got.Data.Payload, test.payload)
					}
					if got.Type == "posthorn.WebhookRegistered" && (string(got.Data.Data) != "null") != test.data {
						t.Errorf("event %d has the data %s, want some: %v", got.Data.Seq, got.Data.Data, test.data)
					}
				}
			})
		})
	}
}
