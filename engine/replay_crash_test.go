package engine_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports/portstest"
)

// TestReplayGoesOnAfterACrash breaks each write of a replay, before and after its effect: after the restart it goes on to its end, and has
// sent each call once.
func TestReplayGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*portstest.FaultStore, int){
		"before": func(f *portstest.FaultStore, k int) { f.FailBefore(k, errCrash) },
		"after":  func(f *portstest.FaultStore, k int) { f.FailAfter(k, errCrash) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for k := 1; replayCrashes(t, k, fail); k++ {
				if t.Failed() {
					t.Fatalf("the write that broke was number %d", k)
				}
			}
		})
	}
}

func replayCrashes(t *testing.T, k int, fail func(*portstest.FaultStore, int)) (broke bool) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.publishMany(3) // nobody asks
		first := b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		b.answer(http.StatusInternalServerError)
		b.publishMany(4)
		pass(time.Second)
		second := b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		id := b.replay(engine.NewReplay{Mode: core.ReplayMatch, Rate: 20}).ID // a call a step, for steps are a twentieth of a second
		b.close()

		faults := portstest.NewFaultStore(disk)
		b = openOn(t, faults, caller)
		before := faults.Applies()
		fail(faults, k)
		pass(time.Minute)
		broke = faults.Applies() >= before+k
		_ = b.Close() // with the error, if it broke
		b = openOn(t, disk, caller)
		defer b.close()
		pass(time.Hour)
		r := b.replayed(id)
		want := core.ReplayCounts{Found: 7, Calls: 14, Newly: 10}
		if diff := cmp.Diff(want, r.Counts); diff != "" || r.State != core.ReplayIsDone || r.Progress.Succeeded != 14 || r.Progress.Waiting != 0 {
			t.Errorf("the replay ended as %+v (-want +got):\n%s", r, diff)
		}
		if diff := cmp.Diff(map[string]int{first.ID: 7, second.ID: 7}, b.madeBy(id)); diff != "" {
			t.Errorf("called otherwise (-want +got):\n%s", diff)
		}
		wantVerified(t, disk)
	})
	return broke
}
