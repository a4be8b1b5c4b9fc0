package httpclient_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	made := ok(b.RegisterWebhook(ctx, engine.NewWebhook{
		Company: company, URL: "https://receiver.example/hook", EventTypes: []string{"invoice.*"}, Description: "ours",
		Schedule: []time.Duration{}, Timeout: 3 * time.Second,
	}))(t)
	same(t, "made", ok(b.engine.Webhook(ctx, company, made.ID))(t), made.Webhook)
	if len(made.Schedule) != 0 || made.Secret == "" || made.Company != company {
		t.Errorf("made %+v", made)
	}
	second := ok(b.RegisterWebhook(ctx, engine.NewWebhook{Company: company, URL: "https://receiver.example/b", EventTypes: []string{"*"}}))(t)
	url, timeout := "https://receiver.example/c", time.Second
	changed := ok(b.UpdateWebhook(ctx, engine.WebhookEdit{
		Company: company, ID: made.ID, URL: &url, Timeout: &timeout, Schedule: []time.Duration{time.Second},
	}))(t)
	if changed.URL != url || changed.Description != "ours" || len(changed.Schedule) != 1 {
		t.Errorf("changed %+v", changed)
	}
	if w := ok(b.DisableWebhook(ctx, company, made.ID))(t); w.Enabled {
		t.Error("disabled, and is not")
	}
	if w := ok(b.EnableWebhook(ctx, company, made.ID))(t); !w.Enabled {
		t.Error("enabled, and is not")
	}
	first := ok(b.Webhooks(ctx, engine.ListQuery{Company: company, Limit: 1}))(t)
	same(t, "first page", ok(b.engine.Webhooks(ctx, engine.ListQuery{Company: company, Limit: 1}))(t), first)
	rest := ok(b.Webhooks(ctx, engine.ListQuery{Company: company, Cursor: first.Next}))(t)
	if len(rest.Items) != 1 || rest.Items[0].ID != second.ID || rest.Next != "" {
		t.Errorf("rest %+v", rest)
	}
	if err := b.DeleteWebhook(ctx, company, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Webhook(ctx, company, made.ID); !errors.Is(err, ports.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

// Every field goes there and comes back, and can be taken away again.
func TestPolicyOfAWebhook(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	made := ok(b.RegisterWebhook(ctx, engine.NewWebhook{
		Company: company, URL: "https://receiver.example/hook", EventTypes: []string{"invoice.*"}, Filter: "data.n > 1", Metadata: map[string]string{"k": "v"},
		Headers: map[string]string{"X-Tenant": "ours", "Authorization": "Bearer hush"}, MaxAge: time.Hour, InFlight: 3, Rate: 2.5, Sequential: true,
		Secret: "whsec_" + strings.Repeat("QUJD", 8),
	}))(t)
	want := engine.Webhook{
		ID: made.ID, Company: company, Enabled: true, Headers: map[string]string{"X-Tenant": "ours", "Authorization": core.Masked},
		CreatedAt: made.CreatedAt, UpdatedAt: made.CreatedAt,
		Settings: core.Settings{
			URL: "https://receiver.example/hook", EventTypes: []string{"invoice.*"}, Filter: "data.n > 1", Metadata: map[string]string{"k": "v"},
			Schedule: made.Schedule, Timeout: engine.Duration(15 * time.Second), MaxAge: engine.Duration(time.Hour), InFlight: 3, Rate: 2.5, Sequential: true,
		},
	}
	same(t, "made", want, made.Webhook)
	if made.Secret != "whsec_"+strings.Repeat("QUJD", 8) {
		t.Errorf("the secret that was given came back as another")
	}
	none, age, inFlight, rate, unordered := "", time.Duration(0), 0, 0.0, false
	same(t, "changed by nothing", made.Webhook, settled(ok(b.UpdateWebhook(ctx, engine.WebhookEdit{Company: company, ID: made.ID}))(t), made.UpdatedAt))
	ok(b.UpdateWebhook(ctx, engine.WebhookEdit{
		Company: company, ID: made.ID, Filter: &none, Headers: map[string]string{}, Metadata: map[string]string{},
		MaxAge: &age, InFlight: &inFlight, Rate: &rate, Sequential: &unordered,
	}))(t)
	want.Headers, want.Filter, want.Metadata, want.MaxAge, want.InFlight, want.Rate, want.Sequential = nil, "", nil, 0, 0, 0, false
	same(t, "taken away", want, settled(ok(b.Webhook(ctx, company, made.ID))(t), made.UpdatedAt))
}

// settled leaves out what differs with each change.
func settled(w engine.Webhook, updated time.Time) engine.Webhook {
	w.UpdatedAt = updated
	return w
}

func TestPauseRotateAndTestCall(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	made := ok(b.RegisterWebhook(ctx, engine.NewWebhook{Company: company, URL: "https://receiver.example/hook", EventTypes: []string{"a"}}))(t)
	if w := ok(b.PauseWebhook(ctx, company, made.ID))(t); !w.Paused {
		t.Error("paused, and is not")
	}
	if _, err := b.TestWebhook(ctx, company, made.ID); !errors.Is(err, ports.ErrConflict) {
		t.Errorf("test of a paused webhook: %v", err)
	}
	if w := ok(b.ResumeWebhook(ctx, company, made.ID))(t); w.Paused {
		t.Error("resumed, and is not")
	}
	call := ok(b.TestWebhook(ctx, company, made.ID))(t)
	if call.State != "succeeded" || len(call.Attempts) != 1 || call.EventType != "webhook.test" {
		t.Errorf("test call %+v", call)
	}
	same(t, "test call", ok(b.engine.Call(ctx, company, call.ID))(t), call)
	overlap := time.Hour
	rotated := ok(b.RotateSecret(ctx, engine.Rotation{Company: company, ID: made.ID, Overlap: &overlap}))(t)
	if rotated.Secret == made.Secret || len(rotated.OldSecrets) != 1 || rotated.OldSecrets[0].Until.Time().Sub(rotated.UpdatedAt) != overlap {
		t.Errorf("rotated %+v", rotated.Webhook)
	}
	var invalid *engine.InvalidError
	if _, err := b.RotateSecret(ctx, engine.Rotation{Company: company, ID: made.ID, Secret: "short"}); !errors.As(err, &invalid) || invalid.Problems[0].Field != "secret" {
		t.Errorf("a bad secret: %v", err)
	}
}
