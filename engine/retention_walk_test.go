package engine

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// TestWalkGoesOnBehindLittle: an entry that begins with something settled, too little for a step of its own, and goes on with a message that
// is too much for one: the walk takes a part of it, and does not come to the same place for ever.
func TestWalkGoesOnBehindLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, codec := memstore.New(), core.NewCodec()
		at := time.Now()
		m := core.MessageRef{Message: core.PrefixMessage + firstID(at), Company: "42", EventType: "a"}
		events := []core.Event{
			core.WebhookRegistered{Webhook: "wh_1", Company: "42"},
			core.HealthNoted{Webhook: "wh_1", Company: "42", Recovered: true}, // settled by the next
			core.HealthNoted{Webhook: "wh_1", Company: "42", Recovered: true},
			core.MessagePublished{MessageRef: m},
		}
		for n := range 2 * core.StepCalls {
			id := core.PrefixCall + firstID(at)[:20] + "Z" + strconv.Itoa(10000+n)
			events = append(events, core.CallRequested{MessageRef: m, Call: id, Webhook: "wh_1", CreatedAt: core.StampOf(at)},
				core.CallSkipped{CallEnded: core.CallEnded{Call: id, Company: "42", Reason: core.WebhookIsOff}})
		}
		state := core.NewState(func([]byte) ([]byte, error) { return nil, ports.ErrNotFound })
		for i, e := range events {
			if err := state.Fold(core.Recorded{Seq: uint64(i + 1), At: at, Event: e}); err != nil {
				t.Fatal(err)
			}
		}
		data, err1 := codec.Encode(at, nil, events)
		puts, _, err2 := state.Changes()
		err3 := store.Apply(t.Context(), ports.Commit{Entries: []ports.Entry{{First: 1, Last: uint64(len(events)), Data: data}}, Puts: puts})
		for _, err := range []error{err1, err2, err3} {
			if err != nil {
				t.Fatal(err)
			}
		}
		err := store.View(t.Context(), func(r ports.Reader) error {
			w := newPruneWalk(r, codec, at.Add(time.Hour), 0)
			w.most, w.mostBytes = 1, 1<<20
			if err := w.walk(t.Context()); err != nil {
				return err
			}
			if w.empty() || len(w.streams) != 1 || len(w.streams[0].Calls) != core.StepCalls || w.streams[0].Whole || len(w.settled) != 1 {
				t.Errorf("the walk takes %d streams, settles %d, is empty %v; the first is %+v", len(w.streams), len(w.settled), w.empty(), w.streams)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
