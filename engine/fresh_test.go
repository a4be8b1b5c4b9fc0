package engine_test

import (
	"bytes"
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A countingStore counts the reads of what calls tell: vault items but for secrets.
type countingStore struct {
	ports.Store

	reads atomic.Int64
}

func (s *countingStore) View(ctx context.Context, view func(ports.Reader) error) error {
	return s.Store.View(ctx, func(r ports.Reader) error { return view(countingReader{r, s}) })
}

type countingReader struct {
	ports.Reader

	store *countingStore
}

func (r countingReader) Get(key []byte) ([]byte, error) {
	from, to := core.VaultRange()
	inVault := bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0
	if inVault && !bytes.HasPrefix(key, core.SecretKey("")) {
		r.store.reads.Add(1)
	}
	return r.Reader.Get(key)
}

// A call's first attempt tells what its commit held in memory; a later one reads it from the store, and tells the same.
func TestFirstAttemptReadsNothingBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &countingStore{Store: memstore.New()}
		b := open(t, func(o *engine.Options) { o.Store = store })
		defer b.close()
		b.register(engine.NewWebhook{EventTypes: []string{"candidate.*", "invoice.*"}, Schedule: []time.Duration{time.Minute}})
		b.answer(http.StatusInternalServerError)
		store.reads.Store(0)
		c := b.candidate()
		if _, err := b.ApplyForJob(t.Context(), "42", c.ID, "job_1"); err != nil { // resource and data
			t.Fatal(err)
		}
		b.publish(`{"total":2.50}`)
		pass(30 * time.Second)
		if n := store.reads.Load(); n != 1 {
			t.Errorf("%d vault items were read, want 1, the version that the application changed: the first attempts need none", n)
		}
		pass(time.Minute)
		if n := store.reads.Load(); n != 1+4 {
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
