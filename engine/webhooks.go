package engine

import (
	"context"
	"time"

	"posthorn/engine/core"
)

// RegisterWebhook stores a webhook and returns it with its secret, which is not shown again. It returns an InvalidError for settings
// that are refused, and ErrConflict when Seed is set and the company has such a webhook for the event type.
func (e *Engine) RegisterWebhook(ctx context.Context, n NewWebhook) (Registered, error) {
	w, err := n.Check(e.defaults)
	if err == nil {
		err = checkFilter(n.Filter)
	}
	if err != nil {
		return Registered{}, err
	}
	var out Registered
	content := struct {
		core.Webhook
		Secret  string
		Headers map[string]string
	}{w, n.Secret, n.Headers}
	use := keyUse{company: n.Company, route: routeWebhooks, key: n.IdempotencyKey, content: content}
	err = e.once(ctx, use, webhookSize, &out.Webhook, func(b *batch) (core.Decision, error) {
		existing, err := b.webhooks(w.Company)
		if err != nil {
			return core.Decision{}, err
		}
		out.Secret = b.secretOr(n.Secret)
		seal := func(id string) core.Sealed {
			return core.Sealed{
				Secret:  e.wire.sealer.seal(secretPurpose(id), []byte(out.Secret)),
				Headers: sealHeaders(e.wire.sealer, id, n.Headers),
			}
		}
		var d core.Decision
		d, out.Webhook, err = core.RegisterWebhook(b, b.now, w, existing, seal)
		return d, err
	})
	if err == nil && out.Secret == "" {
		out.Secret, err = e.secretOf(ctx, out.Company, out.ID) // an earlier answer: secrets are not kept in answers
	}
	return handOut(&out, err, "register webhook for", n.Company)
}

// webhookSize is more than the settings of a webhook usually take while they wait.
const webhookSize = 4096

// UpdateWebhook changes settings. It returns ErrNotFound, an InvalidError, or ErrConflict as RegisterWebhook does.
func (e *Engine) UpdateWebhook(ctx context.Context, edit WebhookEdit) (Webhook, error) {
	if edit.Filter != nil {
		if err := checkFilter(*edit.Filter); err != nil {
			return Webhook{}, err
		}
	}
	var out Webhook
	err := e.writer.accept(ctx, webhookSize, func(b *batch) (core.Decision, error) {
		others, err := b.webhooks(edit.Company)
		if err != nil {
			return core.Decision{}, err
		}
		var d core.Decision
		seal := func() []byte { return sealHeaders(e.wire.sealer, edit.ID, edit.Headers) }
		d, out, err = core.UpdateWebhook(b.State, b, b.now, edit, others, seal)
		return d, err
	})
	return handOut(&out, err, "update webhook", edit.ID)
}

// A Rotation puts a new secret in force.
type Rotation struct {
	Company, ID string
	// Secret is whsec_ and base64 of 24 to 64 bytes; empty for a random one.
	Secret string
	// Overlap is for how long the old secret signs too: 0 to 7 days, nil for 24 hours. 0 ends all old ones at once.
	Overlap *time.Duration
}

// RotateSecret puts a new secret in force and returns it, which is not shown again. Until the overlap is over every attempt carries a signature
// by each, the newest first. It returns ErrNotFound, an InvalidError, or ErrConflict when too many secrets sign.
func (e *Engine) RotateSecret(ctx context.Context, r Rotation) (Registered, error) {
	overlap := core.DefaultOverlap
	if r.Overlap != nil {
		overlap = *r.Overlap
	}
	if err := core.CheckRotation(r.Secret, overlap); err != nil {
		return Registered{}, err
	}
	var out Registered
	err := e.writer.accept(ctx, webhookSize, func(b *batch) (d core.Decision, err error) {
		out.Secret = b.secretOr(r.Secret)
		seal := func() []byte { return e.wire.sealer.seal(secretPurpose(r.ID), []byte(out.Secret)) }
		d, out.Webhook, err = core.RotateSecret(b.State, b, b.now, r.Company, r.ID, overlap, seal)
		return d, err
	})
	return handOut(&out, err, "rotate secret of webhook", r.ID)
}

// EnableWebhook lets new messages reach a webhook again; what it missed is not sent by itself. It returns ErrNotFound.
func (e *Engine) EnableWebhook(ctx context.Context, company, id string) (Webhook, error) {
	return e.switchWebhook(ctx, "enable webhook", company, id, core.EnableWebhook)
}

// DisableWebhook stops a webhook: new messages are skipped for it, visibly, and calls that wait are cancelled. It returns ErrNotFound.
func (e *Engine) DisableWebhook(ctx context.Context, company, id string) (Webhook, error) {
	return e.switchWebhook(ctx, "disable webhook", company, id, core.DisableWebhook)
}

// PauseWebhook makes a webhook's calls wait, those to come too, until it is resumed or their age ends them. It returns ErrNotFound.
func (e *Engine) PauseWebhook(ctx context.Context, company, id string) (Webhook, error) {
	return e.switchWebhook(ctx, "pause webhook", company, id, core.PauseWebhook)
}

// ResumeWebhook lets them go on. It returns ErrNotFound.
func (e *Engine) ResumeWebhook(ctx context.Context, company, id string) (Webhook, error) {
	return e.switchWebhook(ctx, "resume webhook", company, id, core.ResumeWebhook)
}

func (e *Engine) switchWebhook(ctx context.Context, verb, company, id string,
	decide func(s *core.State, now time.Time, company, id string) (core.Decision, Webhook, error),
) (Webhook, error) {
	var out Webhook
	err := e.writer.accept(ctx, 256, func(b *batch) (d core.Decision, err error) {
		d, out, err = decide(b.State, b.now, company, id)
		return d, err
	})
	return handOut(&out, err, verb, id)
}

// DeleteWebhook ends a webhook; calls that wait are cancelled, its history stays. It returns ErrNotFound.
func (e *Engine) DeleteWebhook(ctx context.Context, company, id string) error {
	err := e.writer.accept(ctx, 256, func(b *batch) (core.Decision, error) {
		return core.DeleteWebhook(b.State, company, id)
	})
	return wrap(err, "delete webhook", id)
}

// TestWebhook makes one call of one attempt to a webhook, of event type webhook.test, and returns it when it has ended. When ctx ends before,
// it returns the call as it stands then. It returns ErrNotFound, or ErrConflict for a webhook that is disabled or paused.
func (e *Engine) TestWebhook(ctx context.Context, company, id string) (CallDetail, error) {
	var call Call
	err := e.writer.accept(ctx, 512, func(b *batch) (d core.Decision, err error) {
		d, call, err = core.TestWebhook(b.State, b, b.now, company, id)
		return d, err
	})
	if call, err = handOut(&call, err, "test webhook", id); err != nil {
		return CallDetail{}, err
	}
	return e.awaitEnd(ctx, company, call.ID)
}

// awaitEnd returns a call when it has ended, or as it stands when ctx ends or the engine stops.
func (e *Engine) awaitEnd(ctx context.Context, company, id string) (CallDetail, error) {
	for {
		heard := e.news.wait()
		out, err := e.Call(context.WithoutCancel(ctx), company, id)
		if err != nil || !out.State.Open() {
			return out, err
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return out, nil
		case <-e.stopping:
			return out, nil
		}
	}
}
