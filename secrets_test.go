package posthorn_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn"
	"posthorn/adapters/gochannel"
	"posthorn/adapters/memstore"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/harness"
	"posthorn/ports"
)

// What must stand nowhere but in the vault and in the calls themselves.
const (
	privateEmail    = "ada.private@example.com"
	privateName     = "Lovelace-Private"
	privateField    = "field-private"
	privateData     = "data-private"
	privateResponse = "response-private"
)

var personal = []string{privateEmail, privateName, privateField, privateData, privateResponse}

// A pool gathers what is written to it by many.
type pool struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (p *pool) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *pool) bytes() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.text.Bytes())
}

// A tappedBus shows all that travels.
type tappedBus struct {
	ports.Bus
	tap *pool
}

// Publish implements ports.Bus.
func (b tappedBus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	for _, e := range envelopes {
		if _, err := fmt.Fprintf(b.tap, "%s %s %v %s\n", topic, e.Key, e.Meta, e.Body); err != nil {
			return err
		}
	}
	return b.Bus.Publish(ctx, topic, envelopes...)
}

// TestNothingPrivateIsTold runs a story with everything that is logged, and looks for what is private in all that may be read by
// others: logs, events, rows, and what travels on the bus, which within the process is not sealed. Secrets must not be readable in the vault
// either.
func TestNothingPrivateIsTold(t *testing.T) {
	t.Parallel()
	t.Run("over a broker", func(t *testing.T) {
		t.Parallel()
		var travelled pool
		tellNothingPrivate(t, &travelled, func(b ports.Bus) ports.Bus { return tappedBus{b, &travelled} })
	})
	t.Run("within the process", func(t *testing.T) {
		t.Parallel()
		tellNothingPrivate(t, nil, func(b ports.Bus) ports.Bus { return b })
	})
}

// tellNothingPrivate runs the story over a bus of a watermillbus that is local; where something was wrapped around it nobody is told so.
func tellNothingPrivate(t *testing.T, travelled *pool, wrap func(ports.Bus) ports.Bus) {
	t.Helper()
	var logs pool
	logger := slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	raw := [engine.KeyBytes]byte([]byte("thirty-two bytes of a secret key"))
	key, store, channel := engine.NewKey(raw), memstore.New(), gochannel.New()
	ph := open(t, posthorn.Options{
		Store: store, Key: key, Logger: logger,
		Bus: wrap(watermillbus.New(channel, channel, watermillbus.Options{Logger: logger, Local: true})),
	})
	secret, token := story(t, ph), apiToken(t, ph)
	logger.Info("the key", "key", key)
	if _, err := fmt.Fprintf(&logs, "%v %+v %#v %s", key, key, posthorn.Options{Key: key}, key); err != nil {
		t.Fatal(err)
	}
	entries, rows, vault := contents(t, store)
	shut(t, ph)

	secretKey, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{token, token[strings.LastIndex(token[:32], "_")+1:], secret, string(secretKey), string(raw[:]), key.Text(), base64.StdEncoding.EncodeToString(raw[:])}
	told := map[string][]byte{"the logs": logs.bytes(), "the events": entries, "the rows": rows}
	if travelled != nil {
		told["the bus"] = travelled.bytes()
	}
	for name, text := range told {
		if len(text) < 1000 {
			t.Errorf("%s: %d bytes; nothing was looked at", name, len(text))
		}
		absent(t, name, text, personal)
		absent(t, name, text, keys)
	}
	absent(t, "the vault", vault, keys)
	for _, p := range personal { // or the story would prove nothing
		if !bytes.Contains(vault, []byte(p)) {
			t.Errorf("the vault does not hold %q", p)
		}
	}
}

// apiToken makes an API key, and has it refused and taken.
func apiToken(t *testing.T, ph *posthorn.Posthorn) string {
	t.Helper()
	ctx := posthorn.WithActor(bounded(t), posthorn.Actor{Key: "static"})
	made, err := ph.CreateKey(ctx, posthorn.NewAPIKey{Name: "ops", Scope: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ph.Authenticate(ctx, made.Token); err != nil {
		t.Error(err)
	}
	_, err = ph.Authenticate(ctx, made.Token+"x")
	if !errors.Is(err, posthorn.ErrNotFound) || strings.Contains(err.Error(), made.Token) {
		t.Errorf("a wrong token gave %v", err)
	}
	return made.Token
}

func absent(t *testing.T, name string, text []byte, private []string) {
	t.Helper()
	for _, p := range private {
		if at := bytes.Index(text, []byte(p)); at >= 0 {
			t.Errorf("%s hold %q: ...%q...", name, p, text[max(0, at-100):min(len(text), at+100)])
		}
	}
}

// story does everything that an engine can be asked to do, well and badly, and returns a webhook's secret.
func story(t *testing.T, ph *posthorn.Posthorn) string {
	t.Helper()
	ctx := bounded(t)
	receiver := harness.NewReceiver(t)
	receiver.Reply(harness.Reply{Status: http.StatusInternalServerError, Body: privateResponse}, harness.Reply{Status: http.StatusOK, Body: privateResponse})
	wh := register(t, ph, receiver, time.Millisecond)
	private := ada()
	private.Email, private.LastName, private.Fields = privateEmail, privateName, map[string]any{"about": privateField}
	private.IdempotencyKey = "candidate-1"
	c, err := ph.CreateCandidate(ctx, private)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ph.CreateCandidate(ctx, private)
	if err != nil || again.ID != c.ID {
		t.Fatalf("the repeated command gave %v, %v", again.ID, err)
	}
	call := ended(t, ph, "CallSucceeded")[0]
	if call.AttemptCount != 2 {
		t.Fatalf("the call is %+v", call)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	message := posthorn.NewMessage{
		Company: company, EventType: "invoice.paid", IdempotencyKey: "inv-7", Data: json.RawMessage(`{"note":"` + privateData + `"}`),
	}
	must(ph.Publish(ctx, message))
	must(ph.Publish(ctx, message))
	must(ph.Retry(ctx, call.ID))
	must(ph.UpdateCandidate(ctx, company, c.ID, map[string]any{"about": privateField + " more"}))
	must(ph.ApplyForJob(ctx, company, c.ID, privateData))
	refusals(t, ph, c.ID)
	must(ph.DisableWebhook(ctx, company, wh.ID))
	must(ph.Publish(ctx, posthorn.NewMessage{Company: company, EventType: "invoice.paid", Data: message.Data}))
	must(nil, ph.DeleteCandidate(ctx, company, c.ID))
	must(nil, ph.DeleteWebhook(ctx, company, wh.ID))
	return wh.Secret
}

// refusals are commands that are refused with private things in them.
func refusals(t *testing.T, ph *posthorn.Posthorn, candidate string) {
	t.Helper()
	ctx := bounded(t)
	bad := ada()
	bad.Email, bad.FirstName = privateEmail+"@", ""
	_, invalid := ph.CreateCandidate(ctx, bad)
	_, edit := ph.UpdateCandidate(ctx, company, candidate, map[string]any{"email": privateEmail + "@"})
	_, missing := ph.UpdateCandidate(ctx, company, "cand_x", map[string]any{"about": privateField})
	_, data := ph.Publish(ctx, posthorn.NewMessage{Company: company, EventType: "invoice.paid", Data: json.RawMessage(`"` + privateData)})
	for _, err := range []error{invalid, edit, data} {
		if _, ok := errors.AsType[*posthorn.InvalidError](err); !ok {
			t.Errorf("the refusal is %v, want an InvalidError", err)
		}
	}
	if !errors.Is(missing, posthorn.ErrNotFound) {
		t.Errorf("the refusal is %v, want %v", missing, posthorn.ErrNotFound)
	}
}

// contents is all that a store holds: the log, the rows with the marks, and the vault.
func contents(t *testing.T, store ports.Store) (entries, rows, vault []byte) {
	t.Helper()
	from, to := core.VaultRange()
	err := store.View(t.Context(), func(r ports.Reader) error {
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			entries = append(entries, e.Data...)
		}
		for p, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			into := &rows
			if bytes.Compare(p.Key, from) >= 0 && bytes.Compare(p.Key, to) < 0 {
				into = &vault
			}
			*into = append(append(append(*into, p.Key...), p.Value...), '\n')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries, rows, vault
}
