package engine

import (
	"testing"
	"time"

	"posthorn/engine/core"
)

// carry commits n calls that are due now, each with what it tells.
func (b *laneBench) carry(webhook string, n int, data []byte) {
	b.t.Helper()
	for range n {
		d := b.due(webhook, milli(time.Now()))
		d.Fresh = &core.FreshCall{Data: data, HasData: true}
		b.commit(d)
	}
}

// carried counts the queued calls that need not be read.
func (b *laneBench) carried() (n int) {
	for _, l := range b.byHook {
		for _, it := range l.queue {
			if it.Fresh != nil {
				n++
			}
		}
	}
	return n
}

// What queued calls carry is bounded by its bytes; calls beyond wait as rows, and room comes back when calls leave, or their webhook does.
func TestQueuedCallsCarryABoundedAmount(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		large := make([]byte, 1<<20)
		b.carry("w", 40, large)
		b.check()
		if n := b.carried(); n != 31 {
			b.t.Errorf("%d of 40 calls of 1 MiB carry it, want 31, which 32 MiB have room for", n)
		}
		if got := len(b.drainAll()); got != 40 {
			b.t.Errorf("%d calls were taken, want all 40", got)
		}
		if b.fresh != 0 {
			b.t.Errorf("empty queues carry %d bytes", b.fresh)
		}
		b.carry("w", 5, large)
		b.committed(committed{events: []core.Recorded{{At: time.Now(), Event: core.WebhookDisabled{Webhook: "w", Company: "a"}}}})
		if b.fresh != 0 {
			b.t.Errorf("the queue of a disabled webhook carries %d bytes", b.fresh)
		}
		b.check()
	})
}

// A flight lets go of what it tells when its task carries that.
func TestFlightDoesNotKeepWhatItsTaskCarries(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *laneBench) {
		b.carry("w", 1, []byte(`1`))
		flights, err := b.take(b.store, 1)
		if err != nil || len(flights) != 1 || flights[0].Fresh == nil {
			b.t.Fatalf("flights = %+v, %v; want one that carries its call", flights, err)
		}
		b.lease(flights[0], 1, time.Now().Add(time.Minute))
		if flights[0].Fresh != nil {
			b.t.Error("a leased flight still holds what its task carries")
		}
		b.check()
	})
}
