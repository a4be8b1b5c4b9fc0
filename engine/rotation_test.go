package engine_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// signatures are what Standard Webhooks asks of a request, by each of the secrets.
func signatures(t *testing.T, r ports.Request, secrets ...string) string {
	t.Helper()
	var out []string
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Header["webhook-id"] + "." + r.Header["webhook-timestamp"] + "."))
		mac.Write(r.Body)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(out, " ")
}

// wantSigned tells a message, and fails the test unless its one attempt is signed by exactly these secrets, in this order.
func (b *bench) wantSigned(when string, secrets ...string) {
	b.t.Helper()
	before := len(b.caller.Requests())
	b.publish(`1`)
	pass(0)
	requests := b.caller.Requests()[before:]
	if len(requests) != 1 {
		b.t.Fatalf("%s: %d attempts, want 1", when, len(requests))
	}
	if got, want := requests[0].Header["webhook-signature"], signatures(b.t, requests[0], secrets...); got != want {
		b.t.Errorf("%s: %d secrets sign %q, want %q by %d", when, strings.Count(got, "v1,"), got, want, len(secrets))
	}
}

func (b *bench) rotate(id, secret string, overlap *time.Duration) string {
	b.t.Helper()
	w, err := b.RotateSecret(context.Background(), engine.Rotation{Company: "42", ID: id, Secret: secret, Overlap: overlap})
	if err != nil {
		b.t.Fatalf("rotate: %v", err)
	}
	if w.Secret == "" || secret != "" && w.Secret != secret {
		b.t.Errorf("the answer holds %d bytes of secret, want the new one", len(w.Secret))
	}
	return w.Secret
}

func givenSecret(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 24))
}

// TestRotationOverlap: both secrets sign until the overlap is over, to the second, the newest first; then only the new one does.
func TestRotationOverlap(t *testing.T) {
	t.Parallel()
	for name, overlap := range map[string]*time.Duration{"a day": nil, "an hour": new(time.Hour), "seven days": new(7 * 24 * time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				disk, caller := memstore.New(), portstest.NewScriptedCaller()
				b := openOn(t, disk, caller)
				w := b.invoices(engine.NewWebhook{})
				b.wantSigned("before", w.Secret)
				next := b.rotate(w.ID, "", overlap)
				length := 24 * time.Hour
				if overlap != nil {
					length = *overlap
				}
				b.wantSigned("at once", next, w.Secret)
				pass(length / 2)
				b.close()
				b = openOn(t, disk, caller)
				defer b.close()
				b.wantSigned("after a restart", next, w.Secret)
				pass(length/2 - time.Second)
				b.wantSigned("in the last second", next, w.Secret)
				pass(time.Second)
				b.wantSigned("when it is over", next)
				wantVerified(t, disk)
			})
		})
	}
}

// TestRotationsFollowEachOther: secrets that were given, several at once, and none left by a rotation without overlap.
func TestRotationsFollowEachOther(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		first, second, third, fourth := givenSecret(1), givenSecret(2), givenSecret(3), givenSecret(4)
		w := b.invoices(engine.NewWebhook{Secret: first})
		if w.Secret != first {
			t.Error("the secret that was given is not the webhook's")
		}
		b.wantSigned("before", first)
		b.rotate(w.ID, second, new(3*time.Hour))
		pass(time.Hour)
		b.rotate(w.ID, third, new(time.Hour)) // none signs longer than it says
		b.wantSigned("after two rotations", third, second, first)
		pass(time.Hour)
		b.wantSigned("an hour later", third)
		b.rotate(w.ID, fourth, new(24*time.Hour))
		b.rotate(w.ID, first, new(time.Duration(0)))
		b.wantSigned("without overlap", first)
	})
}

// TestRetriesAreSignedByTheSecretsOfTheirTime: a call that was requested before the rotation is no exception.
func TestRetriesAreSignedByTheSecretsOfTheirTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.answer(500)
		w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour, 24 * time.Hour}})
		b.publish(`1`)
		pass(time.Minute)
		next := b.rotate(w.ID, "", new(2*time.Hour))
		pass(48 * time.Hour)
		r := b.caller.Requests()
		for i, secrets := range [][]string{{w.Secret}, {next, w.Secret}, {next}} {
			if got, want := r[i].Header["webhook-signature"], signatures(t, r[i], secrets...); got != want {
				t.Errorf("attempt %d is signed %q, want %q", i+1, got, want)
			}
		}
	})
}

// TestTokenIsOfTheNewestSecret: the seed's token has room for one.
func TestTokenIsOfTheNewestSecret(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.register(engine.NewWebhook{Seed: true})
		next := b.rotate(w.ID, "", nil)
		c := b.candidate()
		pass(0)
		var body struct {
			Token       string `json:"token"`
			TriggeredAt string `json:"triggeredAt"`
		}
		if err := json.Unmarshal(b.caller.Requests()[0].Body, &body); err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte(next))
		mac.Write([]byte(c.ID + body.TriggeredAt))
		if want := hex.EncodeToString(mac.Sum(nil)); body.Token != want {
			t.Errorf("token is %q, want %q", body.Token, want)
		}
	})
}

// TestHeadersAreSentAndNeverShown: the marker is in every attempt, and nowhere else: neither in answers, events, rows and logs, nor in the
// vault but sealed.
func TestHeadersAreSentAndNeverShown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const marker = "hunter2-hunter2"
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		var log bytes.Buffer
		logs := func(o *engine.Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		b := openOn(t, disk, caller, logs)
		w := b.invoices(engine.NewWebhook{
			Headers: map[string]string{"Authorization": "Bearer " + marker, "X-Team": "books"}, Secret: givenSecret(7), IdempotencyKey: "k",
			Schedule: []time.Duration{time.Minute},
		})
		b.answer(500)
		b.publish(`1`)
		pass(2 * time.Minute)
		b.close()
		b = openOn(t, disk, caller, logs)
		defer b.close()
		b.publish(`2`)
		pass(0)
		for i, r := range caller.Requests() {
			if r.Header["Authorization"] != "Bearer "+marker || r.Header["X-Team"] != "books" || r.Header["webhook-id"] == "" {
				t.Errorf("attempt %d has the headers %v", i+1, slices.Sorted(maps.Keys(r.Header)))
			}
		}
		if _, err := b.UpdateWebhook(t.Context(), engine.WebhookEdit{Company: "42", ID: w.ID, Headers: map[string]string{"X-Key": marker}}); err != nil {
			t.Fatal(err)
		}
		now, err := b.Webhook(t.Context(), "42", w.ID)
		if err != nil || fmt.Sprint(now.Headers) != "map[X-Key:********]" {
			t.Errorf("the webhook shows %v, %v", now.Headers, err)
		}
		if _, err := b.UpdateWebhook(t.Context(), engine.WebhookEdit{Company: "42", ID: w.ID, Headers: map[string]string{"Host": marker}}); err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("a header that is ours: %v", err)
		}
		sent := len(caller.Requests())
		b.publish(`3`)
		pass(0)
		if r := caller.Requests()[sent]; r.Header["X-Key"] != marker || r.Header["Authorization"] != "" {
			t.Errorf("after the update the headers are %v", r.Header)
		}
		shown := fmt.Sprintf("%+v %+v %+v %s", w.Webhook, now, b.collect(0, 250), log.String())
		for _, c := range b.calls() {
			shown += fmt.Sprintf("%+v", b.detail(c.ID))
		}
		for _, secret := range []string{marker, givenSecret(7)[6:], string(bytes.Repeat([]byte{7}, 24))} {
			if strings.Contains(shown, secret) || strings.Contains(stored(t, disk), secret) {
				t.Errorf("%q is shown or stored in the clear", secret)
			}
		}
		wantVerified(t, disk)
	})
}

// stored is all that a store holds.
func stored(t *testing.T, disk ports.Store) string {
	t.Helper()
	var out strings.Builder
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for pair, err := range r.Scan([]byte{0}, nil, false) {
			if err != nil {
				return err
			}
			out.Write(pair.Key)
			out.Write(pair.Value)
		}
		for entry, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			out.Write(entry.Data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
