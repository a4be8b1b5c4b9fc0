package engine_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports/portstest"
)

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
				caller, safe := portstest.NewScriptedCaller(), newSafe()
				next := make(chan (<-chan struct{}), 1) // the next read of a secret waits for what it holds
				b := openOn(t, &watchedStore{Store: memstore.New(), get: func(key []byte) {
					if !bytes.HasPrefix(key, core.SecretKey("")) {
						return
					}
					select {
					case until := <-next:
						<-until
					default:
					}
				}}, caller, safe.into)
				defer b.close()
				secrets := b.sealSome()
				w := b.invoices(engine.NewWebhook{Company: "43"})
				until := make(chan struct{})
				next <- until
				read(b, w)
				pass(0)
				if len(next) > 0 {
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
