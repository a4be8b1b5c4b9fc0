package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func (b *bench) key(n engine.NewAPIKey) engine.NewToken {
	b.t.Helper()
	made, err := b.CreateKey(context.Background(), n)
	if err != nil {
		b.t.Fatalf("create key: %v", err)
	}
	return made
}

// opens is what a token lets one do.
func (b *bench) opens(token string) engine.Access {
	b.t.Helper()
	access, err := b.Authenticate(context.Background(), token)
	if err != nil {
		b.t.Fatalf("the token does not open: %v", err)
	}
	return access
}

// A token opens what its key is for, until the key is revoked, over restarts and a rebuild. Whatever does not open is refused in the same words.
func TestKeysOpenUntilTheyAreRevoked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		if b.HasKeys() {
			t.Error("a new store has keys")
		}
		admin := b.key(engine.NewAPIKey{Name: "ops", Scope: core.ScopeAdmin})
		reads := b.key(engine.NewAPIKey{Scope: core.ScopeRead})
		company := b.key(engine.NewAPIKey{Scope: core.CompanyScope("a:b/c"), Rate: 2.5})
		want := map[string]engine.Access{
			admin.Token: {Key: admin.ID, Admin: true}, reads.Token: {Key: reads.ID, ReadOnly: true},
			company.Token: {Key: company.ID, Company: "a:b/c", Rate: 2.5},
		}
		refused := []string{
			"", "phk_", "phk__", "x" + admin.Token, admin.Token + "x", admin.Token[:len(admin.Token)-1], strings.ToUpper(admin.Token),
			strings.Replace(admin.Token, admin.ID[4:], reads.ID[4:], 1), strings.Replace(admin.Token, admin.ID[4:], "01ARZ3NDEKTSV4RRFFQ69G5FAV", 1),
			"phk_" + admin.ID[4:] + "\x00x_y", admin.ID,
		}
		look := func(b *bench) {
			t.Helper()
			for token, access := range want {
				if diff := cmp.Diff(access, b.opens(token)); diff != "" {
					t.Error(diff)
				}
			}
			for _, token := range refused {
				access, err := b.Authenticate(t.Context(), token)
				if !errors.Is(err, ports.ErrNotFound) || err.Error() != "API key: not found" || access != (engine.Access{}) {
					t.Errorf("a bad token gave %+v, %v", access, err)
				}
			}
			if !b.HasKeys() {
				t.Error("the store has no keys")
			}
		}
		look(b)
		revoked, err := b.RevokeKey(t.Context(), company.ID)
		if err != nil || revoked.RevokedAt == nil {
			t.Errorf("revoked %+v, %v", revoked, err)
		}
		again, err := b.RevokeKey(t.Context(), company.ID)
		if diff := cmp.Diff(revoked, again); err != nil || diff != "" {
			t.Errorf("revoked again (%v):\n%s", err, diff)
		}
		if _, err := b.RevokeKey(t.Context(), "key_none"); !errors.Is(err, ports.ErrNotFound) {
			t.Errorf("revoke a key that there is not: %v", err)
		}
		delete(want, company.Token)
		refused = append(refused, company.Token)
		look(b)
		page, err := b.Keys(t.Context(), engine.KeyQuery{Limit: 2})
		if err != nil || len(page.Items) != 2 || page.Items[0].Name != "ops" || page.Next == "" {
			t.Errorf("keys %+v, %v", page, err)
		}
		page, err = b.Keys(t.Context(), engine.KeyQuery{Limit: 2, Cursor: page.Next})
		if err != nil || len(page.Items) != 1 || page.Items[0].RevokedAt == nil || page.Next != "" {
			t.Errorf("more keys %+v, %v", page, err)
		}
		b.close()
		before := rowsOf(t, disk)
		if _, err := engine.Rebuild(t.Context(), disk); err != nil || !maps.Equal(before, rowsOf(t, disk)) {
			t.Errorf("rebuilt: %v", err)
		}
		b = openOn(t, disk, portstest.NewScriptedCaller())
		defer b.close()
		look(b)
		for _, made := range []engine.NewToken{admin, reads, company} {
			if holds(t, disk, made.Token[31:]) {
				t.Error("the store holds a token")
			}
		}
	})
}

// holds tells whether a text stands anywhere in a store.
func holds(t *testing.T, disk ports.Store, text string) (found bool) {
	t.Helper()
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for e, err := range r.Entries(0) {
			found = found || bytes.Contains(e.Data, []byte(text))
			if err != nil {
				return err
			}
		}
		for p, err := range r.Scan(nil, nil, false) {
			found = found || bytes.Contains(p.Key, []byte(text)) || bytes.Contains(p.Value, []byte(text))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Keys are made and revoked without an engine too, and hold for the next one.
func TestKeysOfAStoppedEngine(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		first := b.key(engine.NewAPIKey{Scope: core.ScopeAdmin})
		b.close()
		ring, err := engine.StoppedKeys(t.Context(), disk)
		if err != nil || !ring.HasKeys() {
			t.Fatalf("stopped: %v", err)
		}
		second, err := ring.CreateKey(t.Context(), engine.NewAPIKey{Scope: core.ScopeRead})
		if err != nil || second.ID <= first.ID {
			t.Fatalf("second key %+v after %s: %v", second.APIKey, first.ID, err)
		}
		if _, err := ring.CreateKey(t.Context(), engine.NewAPIKey{Scope: "all"}); !errors.As(err, new(*engine.InvalidError)) {
			t.Errorf("a bad scope: %v", err)
		}
		if _, err := ring.RevokeKey(t.Context(), first.ID); err != nil {
			t.Error(err)
		}
		b = openOn(t, disk, portstest.NewScriptedCaller())
		if access := b.opens(second.Token); !access.ReadOnly || access.Key != second.ID {
			t.Errorf("access %+v", access)
		}
		if _, err := b.Authenticate(t.Context(), first.Token); !errors.Is(err, ports.ErrNotFound) {
			t.Errorf("the revoked one: %v", err)
		}
		b.close()
		if r := verify(t, disk); !r.OK() {
			t.Errorf("verify %+v", r)
		}
		if err := disk.Apply(t.Context(), put(string(core.RebuildMark()), "1")); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.StoppedKeys(t.Context(), disk); !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("over a rebuild that was interrupted: %v", err)
		}
	})
}

// Who asked stands beside what their command led to, and beside nothing that the engine did by itself.
func TestWhoAskedIsRecorded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		b.answer(200)
		defer b.close()
		ada := engine.Actor{Key: "key_ada", Remote: "192.0.2.1"}
		ctx := engine.WithActor(t.Context(), ada)
		b.invoices(engine.NewWebhook{}) // by nobody
		message, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: json.RawMessage("1")})
		if err != nil || message.Calls != 1 {
			t.Fatalf("published %+v, %v", message, err)
		}
		pass(time.Minute)
		page, err := b.Events(t.Context(), engine.EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]*engine.Actor{}
		for _, e := range page.Items {
			got[e.Type] = e.By
		}
		want := map[string]*engine.Actor{
			"EngineStarted": nil, "WebhookRegistered": nil, "MessagePublished": &ada, "CallRequested": &ada, "CallAttempted": nil, "CallSucceeded": nil,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("who asked (-want +got):\n%s", diff)
		}
		call, err := b.Call(t.Context(), "42", b.calls()[0].ID)
		if err != nil || len(call.Timeline) != 3 || call.Timeline[0].By == nil || *call.Timeline[0].By != ada {
			t.Errorf("the call's timeline %+v, %v", call.Timeline, err)
		}
	})
}

// Others get the key's id with an event, and not the address: no broker gives it back.
func TestEventsNameTheKeyAlone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		reader := &reader{}
		b := open(t, reader.feeding(func(int) portstest.BusFault { return portstest.BusFaithful }))
		defer b.close()
		for _, by := range []engine.Actor{{Key: "key_ada", Remote: "192.0.2.1"}, {Remote: "192.0.2.1"}} {
			ctx := engine.WithActor(t.Context(), by)
			if _, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a", Data: json.RawMessage("1")}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		named := 0
		for _, e := range reader.events() {
			if bytes.Contains(e.Body, []byte("192.0.2.1")) || bytes.Contains(e.Body, []byte("remote")) {
				t.Errorf("an address is published: %s", e.Body)
			}
			if bytes.Contains(e.Body, []byte(`"by":{"key":"key_ada"}`)) {
				named++
			}
		}
		if named != 2 { // MessagePublished and MessageUnmatched
			t.Errorf("%d events name their key", named)
		}
	})
}
