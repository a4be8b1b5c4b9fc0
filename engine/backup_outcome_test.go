package engine_test

import (
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// TestOutcomesOfAnEpochThatARestoredEngineHasToo: the engine that was backed up is started again and makes attempts in an epoch whose number the
// restored one has too. Their outcomes come over the broker: before the restored engine makes the same attempts, while these are under way, and after.
// They are outcomes of the same message, so they may count; no call is lost, none is recorded twice, and the log stays sound.
func TestOutcomesOfAnEpochThatARestoredEngineHasToo(t *testing.T) {
	t.Parallel()
	for when, wait := range map[string]time.Duration{"before": -1, "under way": time.Second, "after": 10 * time.Second} {
		for _, old := range []int{http.StatusInternalServerError, http.StatusOK} {
			t.Run(when+" "+http.StatusText(old), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					disk, caller := memstore.New(), portstest.NewScriptedCaller()
					b, _ := openTapped(t, disk, caller, false)
					b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute, time.Minute, time.Minute}})
					b.answer(http.StatusInternalServerError)
					b.publish(`1`)
					pass(time.Second)
					file := backedUp(t, b, nil)
					b.close()

					b, later := openTapped(t, disk, caller, false)
					b.answer(old)
					b.publish(`2`) // what the backup does not know
					pass(90 * time.Second)
					_, epoch := b.ID()
					b.close()
					if len(later.kept) < 2 {
						t.Fatalf("only %d outcomes were kept", len(later.kept))
					}

					target, _ := putBack(t, file)
					b, bus := openTapped(t, target, caller, false)
					defer b.close()
					if _, same := b.ID(); same != epoch {
						t.Fatalf("the epochs are %d and %d", same, epoch)
					}
					caller.Respond(func(ports.Request) portstest.ScriptedReply {
						r := status(http.StatusOK)
						r.After = 5 * time.Second
						return r
					})
					for made := len(caller.Requests()); wait >= 0 && len(caller.Requests()) == made; {
						pass(time.Second) // until the same attempt is under way
					}
					pass(max(0, wait))
					b.arrive(bus, later.kept...)
					pass(time.Hour)
					b.wantStates(map[string]int{"succeeded": 1})
					recorded := map[[2]int]bool{}
					for _, a := range b.detail(b.calls()[0].ID).Attempts {
						if recorded[[2]int{a.Attempt, a.Lease}] {
							t.Errorf("attempt %d under lease %d is recorded twice", a.Attempt, a.Lease)
						}
						recorded[[2]int{a.Attempt, a.Lease}] = true
					}
					wantVerified(t, target)
				})
			})
		}
	}
}
