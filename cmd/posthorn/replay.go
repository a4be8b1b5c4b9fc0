package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/core"
)

type replayCmd struct {
	Start  replayStartCmd  `cmd:"" default:"withargs" help:"Send calls or messages of the past again, or with --dry-run say what would be sent."`
	List   replayListCmd   `cmd:"" help:"List replays, newest first."`
	Show   replayShowCmd   `cmd:"" help:"Show how far a replay has come."`
	Pause  replayPauseCmd  `cmd:"" help:"Request no more calls until it is resumed."`
	Resume replayResumeCmd `cmd:"" help:"Go on with a paused replay."`
	Cancel replayCancelCmd `cmd:"" help:"End a replay; the calls that it has requested go on."`
}

type replayStartCmd struct {
	companyFlags

	Same  bool `help:"Make the calls of the range again, each to its webhook." required:"" xor:"mode"`
	Match bool `help:"Match the messages of the range against today's webhooks, and call those that have not got them." required:"" xor:"mode"`

	Webhook   string            `help:"Only calls of this webhook; with --match, only calls to it." placeholder:"ID"`
	EventType string            `help:"Only this event type." placeholder:"TYPE"`
	State     *engine.CallState `enum:"pending,succeeded,failed,skipped,cancelled" help:"Only calls in this state, or the messages that have one: pending, succeeded, failed, skipped or cancelled." placeholder:"STATE"` //nolint:lll // a tag
	Since     moment            `help:"Only what was made then or later: RFC 3339, or a duration ago such as 2h." placeholder:"TIME"`
	Until     moment            `help:"Only what was made before." placeholder:"TIME"`

	Rate           float64 `default:"200" help:"The most calls to request a second, up to 1000." placeholder:"N"`
	DryRun         bool    `help:"Say how many calls would go to whom, and why not more; send nothing." xor:"how"`
	Wait           bool    `help:"Wait until all calls were requested and attempted once." xor:"how"`
	IdempotencyKey string  `help:"Makes the command safe to repeat for 24 hours." placeholder:"KEY"`
}

// Run starts a replay, or previews it.
func (c *replayStartCmd) Run(p *program) error {
	n := c.asked()
	if c.DryRun {
		_, err := askWithin(previewTime, p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.ReplayPreview, error) {
			return client.PreviewReplay(ctx, n)
		}, showPreview)
		return err
	}
	most := answerTime
	if c.Wait {
		most = forEver
	}
	_, err := askWithin(most, p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Replay, error) {
		r, err := client.StartReplay(ctx, n)
		if err == nil && c.Wait {
			return awaitReplay(ctx, client, r)
		}
		return r, err
	}, showReplay)
	return err
}

// How long a preview may read, and how long is longer than any replay takes.
const (
	previewTime = 10 * time.Minute
	forEver     = 365 * 24 * time.Hour
)

func (c *replayStartCmd) asked() engine.NewReplay {
	n := engine.NewReplay{
		Company: c.Company, Mode: core.ReplaySame, Rate: c.Rate, IdempotencyKey: c.IdempotencyKey,
		Query: engine.ReplayQuery{
			Webhook: c.Webhook, EventType: c.EventType, Since: core.StampOf(time.Time(c.Since)), Until: core.StampOf(time.Time(c.Until)),
		},
	}
	if c.Match {
		n.Mode = core.ReplayMatch
	}
	if c.State != nil {
		n.Query.State = *c.State
	}
	return n
}

// awaitReplay asks until a replay has requested all its calls, and each was attempted.
func awaitReplay(ctx context.Context, client *httpclient.Client, r engine.Replay) (engine.Replay, error) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for r.State.Open() || r.Progress.Waiting > 0 {
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-ticker.C:
		}
		var err error
		if r, err = client.Replay(ctx, r.Company, r.ID); err != nil {
			return r, err
		}
	}
	return r, nil
}

type replayListCmd struct {
	companyFlags
	pageFlags
}

// Run lists replays.
func (c *replayListCmd) Run(p *program) error {
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.Replay], error) {
		return client.Replays(ctx, c.list(c.pageFlags))
	}, func(t table, all []engine.Replay) {
		t.row("ID", "STATE", "MODE", "FOUND", "CALLS", "SUCCEEDED", "FAILED", "PENDING", "CREATED")
		for _, r := range all {
			t.row(r.ID, r.State, r.Mode, r.Counts.Found, r.Counts.Calls, r.Progress.Succeeded, r.Progress.Failed, r.Progress.Pending, r.CreatedAt)
		}
	})
}

// replayID names one replay.
type replayID struct {
	companyFlags

	ID string `arg:"" help:"The replay's id."`
}

func (c replayID) ask(p *program, do func(c *httpclient.Client, ctx context.Context, company, id string) (engine.Replay, error)) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Replay, error) {
		return do(client, ctx, c.Company, c.ID)
	}, showReplay)
}

type replayShowCmd struct{ replayID }

// Run shows a replay.
func (c *replayShowCmd) Run(p *program) error { return c.ask(p, (*httpclient.Client).Replay) }

type replayPauseCmd struct{ replayID }

// Run pauses a replay.
func (c *replayPauseCmd) Run(p *program) error { return c.ask(p, (*httpclient.Client).PauseReplay) }

type replayResumeCmd struct{ replayID }

// Run resumes a replay.
func (c *replayResumeCmd) Run(p *program) error { return c.ask(p, (*httpclient.Client).ResumeReplay) }

type replayCancelCmd struct{ replayID }

// Run cancels a replay.
func (c *replayCancelCmd) Run(p *program) error { return c.ask(p, (*httpclient.Client).CancelReplay) }

func showReplay(t table, r engine.Replay) {
	t.field("id", r.ID)
	t.field("state", r.State)
	t.field("mode", r.Mode)
	t.field("found", r.Counts.Found)
	t.field("calls", r.Counts.Calls)
	t.field("newly", r.Counts.Newly)
	t.field("left", leftText(r.Counts.Left))
	t.field("succeeded", r.Progress.Succeeded)
	t.field("failed", r.Progress.Failed)
	t.field("cancelled", r.Progress.Cancelled)
	t.field("pending", fmt.Sprintf("%d, %d of them not attempted yet", r.Progress.Pending, r.Progress.Waiting))
	t.field("rate", fmt.Sprintf("%v a second", r.Rate))
	t.field("created", r.CreatedAt)
	t.field("ended", r.EndedAt)
}

func showPreview(t table, v engine.ReplayPreview) {
	t.row("WEBHOOK", "CALLS", "NEWLY", "LEFT")
	for _, w := range v.Webhooks {
		t.row(w.Webhook, w.Calls, w.Newly, leftText(w.Left))
	}
	t.row("all", v.Counts.Calls, v.Counts.Newly, leftText(v.Counts.Left))
}

// leftText says what is not sent, by reason.
func leftText(left map[core.Reason]int) string {
	texts := make([]string, 0, len(left))
	for _, reason := range slices.Sorted(maps.Keys(left)) {
		texts = append(texts, fmt.Sprintf("%d %s", left[reason], reason))
	}
	return strings.Join(texts, ", ")
}
