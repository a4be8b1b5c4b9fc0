package engine

import (
	"context"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

const routeReplays = "replays"

// StartReplay begins to send a part of a company's history again, and returns when that is on disk. It covers the calls and messages that were
// there before it. It returns an InvalidError, ErrNotFound for a webhook that there is not, or ErrConflict while another replay of the company
// has not ended.
func (e *Engine) StartReplay(ctx context.Context, n NewReplay) (Replay, error) {
	n, err := n.Check()
	if err != nil {
		return Replay{}, err
	}
	var out Replay
	use := keyUse{company: n.Company, route: routeReplays, key: n.IdempotencyKey, content: n}
	err = e.once(ctx, use, 512, &out, func(b *batch) (d core.Decision, err error) {
		d, out, err = core.StartReplay(b.State, b, b.now, n)
		return d, err
	})
	return handOut(&out, err, "start replay for", n.Company)
}

// PauseReplay makes a replay request no more calls until it is resumed. It returns ErrNotFound, or ErrConflict when it has ended.
func (e *Engine) PauseReplay(ctx context.Context, company, id string) (Replay, error) {
	return e.switchReplay(ctx, "pause replay", company, id, core.PauseReplay)
}

// ResumeReplay lets it go on where it was. It returns ErrNotFound, or ErrConflict when it has ended.
func (e *Engine) ResumeReplay(ctx context.Context, company, id string) (Replay, error) {
	return e.switchReplay(ctx, "resume replay", company, id, core.ResumeReplay)
}

// CancelReplay ends a replay; the calls that it has requested go on. It returns ErrNotFound, or ErrConflict when it has ended.
func (e *Engine) CancelReplay(ctx context.Context, company, id string) (Replay, error) {
	return e.switchReplay(ctx, "cancel replay", company, id, core.CancelReplay)
}

func (e *Engine) switchReplay(ctx context.Context, verb, company, id string,
	decide func(s *core.State, now time.Time, company, id string) (core.Decision, Replay, error),
) (Replay, error) {
	var out Replay
	err := e.writer.accept(ctx, 256, func(b *batch) (d core.Decision, err error) {
		d, out, err = decide(b.State, b.now, company, id)
		return d, err
	})
	return handOut(&out, err, verb, id)
}

// Replay returns a replay with how far it has come, or ErrNotFound.
func (e *Engine) Replay(ctx context.Context, company, id string) (Replay, error) {
	var out Replay
	err := e.store.View(ctx, func(r ports.Reader) (err error) {
		out, err = readReplay(r, company, id)
		return err
	})
	return out, named(err, "replay", id)
}

// Replays returns a page of a company's replays, newest first.
func (e *Engine) Replays(ctx context.Context, q ListQuery) (Page[Replay], error) {
	from, to := core.ReplayRange(q.Company)
	return page(ctx, e.store, pageScan{from: from, to: to, reverse: true, limit: q.Limit, cursor: q.Cursor},
		func(_ ports.Reader, pair ports.Pair) (Replay, bool, error) {
			replay, err := core.ParseReplay(pair)
			return replay, true, err
		})
}
