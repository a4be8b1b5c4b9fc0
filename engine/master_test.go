package engine_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A keySafe keeps keys as a file does, over crashes.
type keySafe struct{ keys []engine.Key }

func newSafe() *keySafe {
	return &keySafe{keys: []engine.Key{engine.NewKey([engine.KeyBytes]byte{1})}}
}

func (s *keySafe) into(o *engine.Options) {
	o.Key, o.OldKeys = s.keys[0], s.keys[1:]
	o.SaveKeys = func(keys []engine.Key) error {
		s.keys = slices.Clone(keys)
		return nil
	}
}

// sealedItems are the values of the vault's secrets and headers by their keys.
func sealedItems(t *testing.T, disk ports.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for _, items := range core.SealedRanges() {
			for pair, err := range r.Scan(items.From, items.To, false) {
				if err != nil {
					return err
				}
				out[string(pair.Key)] = string(pair.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bench) wantMaster(want engine.MasterKey) {
	b.t.Helper()
	if got, err := b.MasterKey(context.Background()); err != nil || got != want {
		b.t.Errorf("the master key is %+v, %v; want %+v", got, err, want)
	}
}

// sealSome registers webhooks with all that can be sealed of one, and returns what signs the messages of the first; the others hear of nothing.
func (b *bench) sealSome() (secrets []string) {
	b.t.Helper()
	w := b.invoices(engine.NewWebhook{Headers: map[string]string{"X-Api-Key": "hush"}})
	next := b.rotate(w.ID, "", nil)
	for n := range 40 {
		other := b.register(engine.NewWebhook{Company: strconv.Itoa(n), EventTypes: []string{"never"}})
		if n%10 == 0 {
			if err := b.DeleteWebhook(context.Background(), other.Company, other.ID); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	return []string{next, w.Secret}
}

// TestMasterKeyOverACrashAtEveryStep: the rotation goes on by itself after a crash behind any of its commits, calls are signed by the same
// secrets all the while, and nothing in the store is as it was sealed before.
func TestMasterKeyOverACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for step := 1; step <= 6; step++ {
		t.Run(strconv.Itoa(step), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller, safe := memstore.New(), portstest.NewScriptedCaller(), newSafe()
				first := safe.keys[0]
				b := openOn(t, disk, caller, safe.into)
				secrets := b.sealSome()
				b.wantSigned("before", secrets...)
				b.close()
				before := sealedItems(t, disk)

				b = openToCrash(t, disk, caller, safe, step+1) // one commit is the start
				_, _ = b.RotateMaster(context.Background())
				pass(time.Second)
				_ = b.Close()

				b = openOn(t, disk, caller, safe.into)
				defer b.close()
				b.wantSigned("when it goes on", secrets...)
				pass(time.Minute)
				b.wantMaster(engine.MasterKey{Keys: 1, InUse: 1})
				b.wantSigned("after it", secrets...)
				if got := caller.Requests()[len(caller.Requests())-1].Header["X-Api-Key"]; got != "hush" {
					t.Errorf("the header's value is %q", got)
				}
				after := sealedItems(t, disk)
				if len(after) != len(before) {
					t.Errorf("%d items are sealed, and were %d", len(after), len(before))
				}
				for k, value := range after {
					if value == before[k] || slices.Contains(slices.Collect(maps.Values(before)), value) {
						t.Errorf("%q is sealed as before", k)
					}
				}
				wantVerified(t, disk)
				if _, err := engine.RotateStopped(t.Context(), disk, []engine.Key{first}, nil); err == nil || !strings.Contains(err.Error(), "does not open under this secret key") {
					t.Errorf("the old key is not refused: %v", err)
				}
			})
		})
	}
}

// openToCrash opens an engine that commits a number of times, its start the first of them, and never again.
func openToCrash(t *testing.T, disk ports.Store, caller *portstest.ScriptedCaller, safe *keySafe, commits int) *bench {
	t.Helper()
	s := &session{Store: disk}
	left := commits - 1
	b := open(t, safe.into, func(o *engine.Options) {
		o.Store, o.Caller = s, caller
		o.Hooks.Committed = func(engine.CommitInfo) {
			if left--; left == 0 {
				s.closed.Store(true)
			}
		}
	})
	b.caller = caller
	return b
}

// TestMasterKeyThatWasGiven: who keeps the keys gives both, the job begins by itself, and then the old one can go; a ring without a key that is
// still needed is refused.
func TestMasterKeyThatWasGiven(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		old, next := engine.NewKey([engine.KeyBytes]byte{1}), engine.NewKey([engine.KeyBytes]byte{2})
		ring := func(keys ...engine.Key) func(*engine.Options) {
			return func(o *engine.Options) { o.Key, o.OldKeys = keys[0], keys[1:] }
		}
		b := openOn(t, disk, caller, ring(old))
		secrets := b.sealSome()
		published, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a.b", Data: []byte("1"), IdempotencyKey: "k"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.RotateMaster(context.Background())
		if !errors.Is(err, ports.ErrConflict) || !strings.Contains(err.Error(), `set POSTHORN_SECRET_KEY to "NEW OLD" and restart: sealing anew begins by itself`) {
			t.Errorf("rotate = %v", err)
		}
		b.close()

		b = openToCrash(t, disk, caller, &keySafe{keys: []engine.Key{next, old}}, 3)
		pass(time.Second)
		_ = b.Close()
		for name, only := range map[string]engine.Key{"the old": old, "the new": next} {
			_, err := engine.RotateStopped(t.Context(), disk, []engine.Key{only}, nil)
			if err == nil || !strings.Contains(err.Error(), "give all keys that were given when it began, the newest first") {
				t.Errorf("%s key alone in its midst is not refused: %v", name, err)
			}
		}

		b = openOn(t, disk, caller, ring(next, old))
		pass(time.Minute)
		b.wantMaster(engine.MasterKey{Keys: 2, InUse: 1})
		b.close()
		b = openOn(t, disk, caller, ring(next))
		defer b.close()
		b.wantSigned("without the old key", secrets...)
		again, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a.b", Data: []byte("1"), IdempotencyKey: "k"})
		if err != nil || again.ID != published.ID {
			t.Errorf("the repeated command = %+v, %v; want %s", again, err, published.ID)
		}
		wantVerified(t, disk)
	})
}

// TestSecretsThatSignNoMoreAreErased: by the hour, or at once where there is no overlap; so are headers that others have replaced.
func TestSecretsThatSignNoMoreAreErased(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		defer b.close()
		w := b.invoices(engine.NewWebhook{Headers: map[string]string{"X-Api-Key": "hush"}})
		b.rotate(w.ID, "", new(2*time.Hour))
		pass(time.Minute)
		if n := len(sealedItems(t, disk)); n != 3 {
			t.Errorf("%d items are sealed, want two secrets and the headers", n)
		}
		pass(3 * time.Hour)
		if n := len(sealedItems(t, disk)); n != 2 {
			t.Errorf("after the overlap %d items are sealed, want 2", n)
		}
		b.rotate(w.ID, "", new(time.Duration(0)))
		if _, err := b.UpdateWebhook(t.Context(), engine.WebhookEdit{Company: "42", ID: w.ID, Headers: map[string]string{"X-Api-Key": "next"}}); err != nil {
			t.Fatal(err)
		}
		if n := len(sealedItems(t, disk)); n != 2 {
			t.Errorf("%d items are sealed, want 2", n)
		}
		wantVerified(t, disk)
		stray := ports.Pair{Key: core.RotatedSecretKey(w.ID, "left"), Value: bytes.Repeat([]byte{1}, 32)}
		if err := disk.Apply(t.Context(), ports.Commit{Puts: []ports.Pair{stray}}); err != nil {
			t.Fatal(err)
		}
		report, err := engine.Verify(t.Context(), disk, memstore.New())
		if err != nil || !strings.Contains(strings.Join(report.Problems, "\n"), "1 sealed secrets and headers that no webhook has") {
			t.Errorf("verify = %+v, %v", report, err)
		}
	})
}
