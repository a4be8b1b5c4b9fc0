package engine

import (
	"context"
	"errors"

	"posthorn/engine/core"
	"posthorn/ports"
)

// handleOutcomes brings outcomes to the writer and acknowledges them when all are committed. It errs only while the store takes
// nothing; then the bus delivers them again.
func (e *Engine) handleOutcomes(ctx context.Context, envelope ports.Envelope) error {
	topic := e.wire.outcomes(e.from.engine)
	outcomes, _, err := read[[]core.Outcome](e.wire, topic, envelope)
	if err != nil {
		e.rejected(topic, err)
		return e.wire.reject(ctx, topic, envelope)
	}
	e.lanes.answered(outcomes)
	commands := make([]*command, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		c := &command{outcome: o, done: make(chan struct{})}
		c.decide = func(b *batch) (core.Decision, error) {
			return core.Judge(b.State, b, b.now, *o, b.jitter.Float64(), e.disableAfter)
		}
		if err := e.writer.report(ctx, c); err != nil {
			return err
		}
		commands[i] = c
	}
	var errs error
	for _, c := range commands {
		errs = errors.Join(errs, c.wait(ctx))
	}
	if errs == nil && e.dispatcher != nil {
		e.dispatcher.arrived(envelope.ID)
		if e.stopped() {
			e.news.tell() // a stop waits for it
		}
	}
	return errs
}
