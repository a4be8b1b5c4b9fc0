package engine_test

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
)

// vaultReads counts the reads of what calls tell: vault items but for secrets.
func vaultReads(n *atomic.Int64) func(key []byte) {
	from, to := core.VaultRange()
	return func(key []byte) {
		inVault := bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0
		if inVault && !bytes.HasPrefix(key, core.SecretKey("")) {
			n.Add(1)
		}
	}
}

// A call's first attempt tells what its commit held in memory; a later one reads it from the store, and tells the same.
func TestFirstAttemptReadsNothingBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var reads atomic.Int64
		b := open(t, func(o *engine.Options) { o.Store = &watchedStore{Store: memstore.New(), get: vaultReads(&reads)} })
		defer b.close()
		b.register(engine.NewWebhook{EventTypes: []string{"candidate.*", "invoice.*"}, Schedule: []time.Duration{time.Minute}})
		b.answer(http.StatusInternalServerError)
		reads.Store(0)
		c := b.candidate()
		if _, err := b.ApplyForJob(t.Context(), "42", c.ID, "job_1"); err != nil { // resource and data
			t.Fatal(err)
		}
		b.publish(`{"total":2.50}`)
		pass(30 * time.Second)
		if n := reads.Load(); n != 1 {
			t.Errorf("%d vault items were read, want 1, the version that the application changed: the first attempts need none", n)
		}
		pass(time.Minute)
		if n := reads.Load(); n != 1+4 {
			t.Errorf("the second attempts read %d vault items, want the 4 that the messages have", n-1)
		}
		told := map[string][][]byte{}
		for _, r := range b.caller.Requests() {
			told[r.Header[core.HeaderID]] = append(told[r.Header[core.HeaderID]], r.Body)
		}
		if len(told) != 3 {
			t.Errorf("%d messages were told, want 3", len(told))
		}
		for id, bodies := range told {
			if len(bodies) != 2 || !bytes.Equal(bodies[0], bodies[1]) {
				t.Errorf("message %s was told as %q", id, bodies)
			}
		}
	})
}
