package httpapi

import (
	"context"
	"iter"
	"time"

	"posthorn/engine"
)

// Engine is what the handler asks. *engine.Engine satisfies it; its methods are documented there. All of them are called from many
// goroutines at once, with the request's context.
type Engine interface {
	webhookKeeper
	candidateKeeper
	messenger
	teller
	historian
	replayer
	operator
	// Ready is nil while writes are taken.
	Ready(ctx context.Context) error
	// Degraded is nil while calls are made when they are due.
	Degraded(ctx context.Context) error
}

// An operator's alone is what these do.
type operator interface {
	keyKeeper
	masterKeeper
	backer
}

type keyKeeper interface {
	CreateKey(ctx context.Context, n engine.NewAPIKey) (engine.NewToken, error)
	Keys(ctx context.Context, q engine.KeyQuery) (engine.Page[engine.APIKey], error)
	RevokeKey(ctx context.Context, id string) (engine.APIKey, error)
}

type masterKeeper interface {
	MasterKey(ctx context.Context) (engine.MasterKey, error)
	RotateMaster(ctx context.Context) (engine.MasterKey, error)
}

type replayer interface {
	StartReplay(ctx context.Context, n engine.NewReplay) (engine.Replay, error)
	PreviewReplay(ctx context.Context, n engine.NewReplay) (engine.ReplayPreview, error)
	Replays(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Replay], error)
	Replay(ctx context.Context, company, id string) (engine.Replay, error)
	PauseReplay(ctx context.Context, company, id string) (engine.Replay, error)
	ResumeReplay(ctx context.Context, company, id string) (engine.Replay, error)
	CancelReplay(ctx context.Context, company, id string) (engine.Replay, error)
}

type webhookKeeper interface {
	webhookSwitch
	RegisterWebhook(ctx context.Context, n engine.NewWebhook) (engine.Registered, error)
	Webhook(ctx context.Context, company, id string) (engine.Webhook, error)
	Webhooks(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Webhook], error)
	UpdateWebhook(ctx context.Context, e engine.WebhookEdit) (engine.Webhook, error)
	RotateSecret(ctx context.Context, r engine.Rotation) (engine.Registered, error)
	DeleteWebhook(ctx context.Context, company, id string) error
}

// A webhookSwitch starts, stops and tries webhooks.
type webhookSwitch interface {
	EnableWebhook(ctx context.Context, company, id string) (engine.Webhook, error)
	DisableWebhook(ctx context.Context, company, id string) (engine.Webhook, error)
	PauseWebhook(ctx context.Context, company, id string) (engine.Webhook, error)
	ResumeWebhook(ctx context.Context, company, id string) (engine.Webhook, error)
	TestWebhook(ctx context.Context, company, id string) (engine.CallDetail, error)
}

type candidateKeeper interface {
	CreateCandidate(ctx context.Context, n engine.NewCandidate) (engine.Candidate, error)
	Candidate(ctx context.Context, company, id string) (engine.Candidate, error)
	Candidates(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Candidate], error)
	UpdateCandidate(ctx context.Context, company, id string, fields map[string]any) (engine.Candidate, error)
	ApplyForJob(ctx context.Context, company, id, job string) (engine.Candidate, error)
	ChangeCandidateState(ctx context.Context, company, id, state string) (engine.Candidate, error)
	DeleteCandidate(ctx context.Context, company, id string) error
}

type messenger interface {
	eraser
	Publish(ctx context.Context, n engine.NewMessage) (engine.Message, error)
	RetryCall(ctx context.Context, company, id string) (engine.Call, error)
	CancelCall(ctx context.Context, company, id string) (engine.Call, error)
}

// A historian knows the past, and what has not arrived.
type historian interface {
	Undelivered(ctx context.Context, q engine.UndeliveredQuery) (engine.UndeliveredPage, error)
	CallAsOf(ctx context.Context, company, id string, at time.Time) (engine.CallDetail, error)
	WebhookAsOf(ctx context.Context, company, id string, at time.Time) (engine.Webhook, error)
	WebhookTimeline(ctx context.Context, q engine.TimelineQuery) (engine.Page[engine.TimelineEntry], error)
}

type teller interface {
	CallPage(ctx context.Context, q engine.CallQuery) (engine.Page[engine.Call], error)
	Call(ctx context.Context, company, id string) (engine.CallDetail, error)
	History(ctx context.Context, q engine.CallQuery) (engine.Page[engine.HistoryRow], error)
	Events(ctx context.Context, q engine.EventQuery) (engine.Page[engine.Event], error)
	Follow(ctx context.Context, after uint64) iter.Seq2[engine.Event, error]
}
