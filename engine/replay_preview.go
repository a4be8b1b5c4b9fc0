package engine

import (
	"context"
	"maps"
	"slices"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A ReplayPreview says what a replay would do now.
type ReplayPreview struct {
	Counts core.ReplayCounts `json:"counts"`
	// Webhooks says it by webhook: those with calls of the range, or with ReplayMatch all of today's; in the order of their ids.
	Webhooks []ReplayedWebhook `json:"webhooks"`
}

// A ReplayedWebhook is a webhook's share of a preview.
type ReplayedWebhook struct {
	Webhook string `json:"webhook"`
	core.ReplayCounts
}

// previewed sums up what a step would do.
func (p *ReplayPreview) previewed(step core.ReplayStep, webhooks map[string]core.ReplayCounts) {
	p.Counts = p.Counts.Plus(step.Counts())
	for _, item := range step.Items {
		one := core.ReplayStep{Items: []core.ReplayItem{item}}
		webhooks[item.Webhook] = webhooks[item.Webhook].Plus(one.Counts())
	}
}

// PreviewReplay says what a replay would send to whom, and why not more, by the same steps, and writes nothing. The whole range is read. It
// returns an InvalidError, or ErrNotFound for a webhook that there is not.
func (e *Engine) PreviewReplay(ctx context.Context, n NewReplay) (ReplayPreview, error) {
	n, err := n.Check()
	if err != nil {
		return ReplayPreview{}, err
	}
	if err := e.store.View(ctx, func(r ports.Reader) error { return n.Known(core.NewState(r.Get)) }); err != nil {
		return ReplayPreview{}, wrap(err, "preview replay for", n.Company)
	}
	var out ReplayPreview
	webhooks := map[string]core.ReplayCounts{}
	replay := Replay{Company: n.Company, Query: n.Query, Mode: n.Mode, CreatedAt: e.jobs.clock.now()}
	for last := false; !last; {
		step, err := e.replayer.plan.next(ctx, replay, core.StepCalls)
		if err == nil {
			err = e.store.View(ctx, func(r ports.Reader) error {
				_, err := step.Decide(core.NewState(r.Get), noInputs{}, replay.CreatedAt, n.Company, "")
				return err
			})
		}
		if err != nil {
			return ReplayPreview{}, wrap(err, "preview replay for", n.Company)
		}
		out.previewed(step, webhooks)
		replay.Cursor, last = step.To, step.Last
	}
	out.Webhooks = sortedShares(webhooks)
	return out, nil
}

// noInputs makes nothing: what a preview decides is not kept.
type noInputs struct{}

// ID implements core.Inputs.
func (noInputs) ID(string) string { return "" }

// Salt implements core.Inputs.
func (noInputs) Salt() [core.SaltBytes]byte { return [core.SaltBytes]byte{} }

// sortedShares returns the webhooks of a preview in the order of their ids.
func sortedShares(webhooks map[string]core.ReplayCounts) []ReplayedWebhook {
	out := make([]ReplayedWebhook, 0, len(webhooks))
	for _, id := range slices.Sorted(maps.Keys(webhooks)) {
		out = append(out, ReplayedWebhook{Webhook: id, ReplayCounts: webhooks[id]})
	}
	return out
}
