package engine

import (
	"context"
	"errors"
	"fmt"

	"posthorn/engine/core"
	"posthorn/engine/filter"
	"posthorn/ports"
)

// maxJudged bounds how often the filters of one command are judged, because webhooks or resources changed meanwhile.
const maxJudged = 8

// judged runs a command until it has all verdicts that it asks for. Filters are judged here, by who publishes, and not by the writer: a
// company's costly filters hold up its own messages, and nobody else's.
func (e *Engine) judged(ctx context.Context, run func(core.Verdicts) error) error {
	var verdicts core.Verdicts
	for times := 0; ; times++ {
		err := run(verdicts)
		unjudged, ok := errors.AsType[*core.UnjudgedError](err)
		switch {
		case !ok:
			return err
		case times == maxJudged:
			return fmt.Errorf("webhooks or resources change faster than filters are judged: %w; send it again in a second", ports.ErrOverloaded)
		}
		if verdicts, err = e.judge(ctx, unjudged); err != nil {
			return err
		}
	}
}

func (e *Engine) judge(ctx context.Context, u *core.UnjudgedError) (core.Verdicts, error) {
	content := u.Content
	if content.Body == nil && content.Resource != nil && content.Resource.Version > 0 {
		err := e.store.View(ctx, func(r ports.Reader) (err error) {
			content.Body, err = optional(readVault(r, core.ResourceKey(*content.Resource), ""))
			return err
		})
		if err != nil {
			return core.Verdicts{}, fmt.Errorf("judge filters: %w", err)
		}
	}
	event := filter.NewEvent(filter.Message{EventType: content.EventType, Data: content.Data, Resource: content.Body})
	out := core.Verdicts{Content: u.Content, ByFilter: map[string]core.Verdict{}}
	for _, text := range u.Filters {
		if _, known := out.ByFilter[text]; known {
			continue
		}
		out.ByFilter[text] = e.verdict(text, event)
	}
	return out, ctx.Err()
}

func (e *Engine) verdict(text string, event *filter.Event) core.Verdict {
	matches, err := e.filters.Match(text, event)
	switch {
	case err != nil:
		return core.Broken
	case matches:
		return core.Matches
	}
	return core.Differs
}

// checkFilter refuses what is no condition, or could be one without an end.
func checkFilter(text string) error {
	if text == "" {
		return nil
	}
	if err := filter.Check(text); err != nil {
		return refuse("filter", "%v", err)
	}
	return nil
}
