package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

func (s *server) addWebhooks(api huma.API) {
	const all, each = companyPath + "/webhooks", companyPath + "/webhooks/{id}"
	create := s.op("create-webhook", http.MethodPost, all, "Register a webhook; its secret is shown this once", http.StatusCreated)
	register(api, create, s.createWebhook)
	register(api, s.op("list-webhooks", http.MethodGet, all, "List webhooks, oldest first", http.StatusOK),
		func(ctx context.Context, in *paged) (*content[list[engine.Webhook]], error) {
			return replyPage(s.engine.Webhooks(ctx, in.query()))
		})
	register(api, s.op("update-webhook", http.MethodPatch, each, "Change a webhook's settings", http.StatusOK), s.updateWebhook)
	register(api, s.op("enable-webhook", http.MethodPost, each+"/enable", "Let messages reach it again", http.StatusOK),
		onWebhook(s.engine.EnableWebhook))
	register(api, s.op("disable-webhook", http.MethodPost, each+"/disable", "Skip its messages, cancel its waiting calls", http.StatusOK),
		onWebhook(s.engine.DisableWebhook))
	register(api, s.op("pause-webhook", http.MethodPost, each+"/pause", "Let its calls wait, those to come too", http.StatusOK),
		onWebhook(s.engine.PauseWebhook))
	register(api, s.op("resume-webhook", http.MethodPost, each+"/resume", "Let its calls go on", http.StatusOK),
		onWebhook(s.engine.ResumeWebhook))
	rotate := s.op("rotate-webhook-secret", http.MethodPost, each+"/secret/rotate",
		"Put a new secret in force, which is shown this once; the old one signs too for a time", http.StatusOK)
	register(api, rotate, s.rotateSecret)
	s.addTestCall(api, each+"/test")
	register(api, s.op("delete-webhook", http.MethodDelete, each, "Delete it and cancel its waiting calls", http.StatusNoContent),
		func(ctx context.Context, in *one) (*empty, error) {
			return replyEmpty(s.engine.DeleteWebhook(ctx, in.Company, in.ID))
		})
}

func onWebhook(do func(ctx context.Context, company, id string) (engine.Webhook, error)) func(
	context.Context, *one) (*content[engine.Webhook], error,
) {
	return func(ctx context.Context, in *one) (*content[engine.Webhook], error) {
		return reply(do(ctx, in.Company, in.ID))
	}
}

func (s *server) createWebhook(ctx context.Context, in *creation[newWebhook]) (*content[engine.Registered], error) {
	n, err := in.Body.asked()
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	n.Company, n.IdempotencyKey = in.Company, in.IdempotencyKey
	return reply(s.engine.RegisterWebhook(ctx, n))
}

func (s *server) updateWebhook(ctx context.Context, in *patch) (*content[engine.Webhook], error) {
	if err := noNulls(in.RawBody); err != nil {
		return nil, problemOf(err, inBody)
	}
	edit, err := in.Body.asked()
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	edit.Company, edit.ID = in.Company, in.ID
	return reply(s.engine.UpdateWebhook(ctx, edit))
}

// rotateSecret takes no body for a random secret and the usual overlap.
func (s *server) rotateSecret(ctx context.Context, in *onOne[*rotation]) (*content[engine.Registered], error) {
	r := engine.Rotation{Company: in.Company, ID: in.ID}
	if in.Body != nil {
		var d durations
		r.Secret, r.Overlap = in.Body.Secret, d.given("overlap", in.Body.Overlap)
		if err := d.err(); err != nil {
			return nil, problemOf(err, inBody)
		}
	}
	return reply(s.engine.RotateSecret(ctx, r))
}
