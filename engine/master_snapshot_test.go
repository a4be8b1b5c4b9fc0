package engine_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A slowStore lets the next read of a webhook's secret wait, on a snapshot that grows old.
type slowStore struct {
	ports.Store

	next chan (<-chan struct{})
}

func (s *slowStore) View(ctx context.Context, view func(ports.Reader) error) error {
	return s.Store.View(ctx, func(r ports.Reader) error { return view(slowReader{r, s}) })
}

type slowReader struct {
	ports.Reader

	store *slowStore
}

func (r slowReader) Get(key []byte) ([]byte, error) {
	if bytes.HasPrefix(key, core.SecretKey("")) {
		select {
		case until := <-r.store.next:
			<-until
		default:
		}
	}
	return r.Reader.Get(key)
}

// TestMasterKeyUnderAnOldSnapshot: what began to read before a rotation ends its reading after it, and opens what it finds, although the key
// that sealed it is gone: a call is made, a page is answered.
func TestMasterKeyUnderAnOldSnapshot(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*bench, engine.Registered){
		"a call":    func(b *bench, _ engine.Registered) { b.publish(`1`) },
		"a webhook": func(b *bench, w engine.Registered) { go b.wantWebhook(w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				store, caller, safe := &slowStore{memstore.New(), make(chan (<-chan struct{}), 1)}, portstest.NewScriptedCaller(), newSafe()
				b := openOn(t, store, caller, safe.into)
				defer b.close()
				secrets := b.sealSome()
				w := b.invoices(engine.NewWebhook{Company: "43"})
				until := make(chan struct{})
				store.next <- until
				read(b, w)
				pass(0)
				if len(store.next) > 0 {
					t.Fatal("no secret is being read")
				}
				if _, err := b.RotateMaster(t.Context()); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				b.wantMaster(engine.MasterKey{Keys: 1, InUse: 1})
				before := len(caller.Requests())
				close(until)
				pass(0)
				if name == "a call" && len(caller.Requests()) != before+1 {
					t.Errorf("%d attempts, want 1", len(caller.Requests())-before)
				}
				b.wantSigned("afterwards", secrets...)
			})
		})
	}
}

func (b *bench) wantWebhook(w engine.Registered) {
	if got, err := b.Webhook(context.Background(), w.Company, w.ID); err != nil || got.URL != w.URL {
		b.t.Errorf("webhook %s: %+v, %v", w.ID, got, err)
	}
}
