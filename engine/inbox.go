package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode"

	"posthorn/engine/core"
	"posthorn/ports"
)

// The inbox is the topic where other systems put messages and candidates to accept.
const (
	topicInbox = "inbox"

	metaReason = "posthorn-reason" // why an envelope was rejected
	metaCut    = "posthorn-cut"    // how many bytes a rejected envelope had that did not fit into another

	maxReason = 1 << 10  // bytes: brokers bound their headers
	keptOfCut = 64 << 10 // bytes
)

// handleInbox accepts what an envelope holds, and acknowledges it when that is on disk. What comes again is accepted once, for it has the
// same idempotency key. What can never be accepted is put aside, and acknowledged when it is there. In all other cases, an overload or a
// full disk among them, it errs, so that the bus brings the envelope again.
func (e *Engine) handleInbox(ctx context.Context, envelope ports.Envelope) error {
	err := e.submit(ctx, envelope)
	if invalid, ok := errors.AsType[*core.InvalidError](err); ok {
		return e.refuseSubmission(ctx, envelope, invalid)
	}
	if errors.Is(err, ports.ErrTooLarge) {
		return e.refuseSubmission(ctx, envelope, err)
	}
	return err
}

func (e *Engine) submit(ctx context.Context, envelope ports.Envelope) error {
	s, err := core.ParseSubmission(envelope.ID, envelope.Meta, envelope.Body)
	switch {
	case err != nil:
		return err
	case s.Message != nil:
		_, err = e.publish(ctx, s.Scope, *s.Message)
	default:
		_, err = e.createCandidate(ctx, s.Scope, *s.Candidate)
	}
	return err
}

// refuseSubmission puts an envelope aside with the reason. The log names the faulty fields alone: the reason may show what is personal.
func (e *Engine) refuseSubmission(ctx context.Context, envelope ports.Envelope, cause error) error {
	aside := envelope
	aside.Meta = maps.Clone(envelope.Meta)
	if aside.Meta == nil {
		aside.Meta = map[string]string{}
	}
	aside.Meta[metaReason] = headerText(cause.Error())
	topic := e.inbox() + topicRejected
	err := e.bus.Publish(ctx, topic, aside)
	if errors.Is(err, ports.ErrTooLarge) { // as large as an envelope may be, and the reason comes on top
		aside.Meta[metaCut] = strconv.Itoa(len(aside.Body))
		aside.Body = aside.Body[:min(len(aside.Body), keptOfCut)]
		err = e.bus.Publish(ctx, topic, aside)
	}
	if err != nil {
		return fmt.Errorf("put envelope %s aside: %w", core.Show(envelope.ID), err)
	}
	e.log.Warn("an envelope of the inbox is rejected; it is kept with the reason", "topic", topic, "envelope", core.Show(envelope.ID), "fields", faulty(cause))
	if e.hooks.Rejected != nil {
		e.hooks.Rejected(topicInbox, cause)
	}
	return nil
}

func (e *Engine) inbox() string { return e.wire.prefix + "." + topicInbox }

// headerText makes a text fit for a header: one line of bounded length.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), maxReason)], ""))
}

// faulty are the names of the fields that an error complains of.
func faulty(err error) []string {
	var names []string
	if invalid, ok := errors.AsType[*core.InvalidError](err); ok {
		for _, p := range invalid.Problems {
			names = append(names, core.Show(p.Field))
		}
	}
	return names
}
