package engine

import (
	"errors"

	"posthorn/engine/core"
	"posthorn/ports"
)

// An outbox takes the outcomes for one engine. Each has its own, with a goroutine that ends with the drain: an engine whose topic takes
// nothing must not hold up the others.
type outbox struct {
	engine   string
	outcomes chan core.Outcome
}

// outbox returns the engine's, and opens it when it is the first time.
func (d *dispatcher) outbox(engine string) *outbox {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.outboxes[engine]
	if !ok {
		o = &outbox{engine: engine, outcomes: make(chan core.Outcome, d.o.Concurrency)}
		d.outboxes[engine] = o
		d.gathered.Go(func() { d.publishOutcomes(o) })
	}
	return o
}

// closeOutboxes is called when no attempt is under way any more.
func (d *dispatcher) closeOutboxes() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outboxes {
		close(o.outcomes)
	}
}

// publishOutcomes gathers what is there, up to what an envelope holds, and publishes it until the transport takes it.
func (d *dispatcher) publishOutcomes(box *outbox) {
	for o := range box.outcomes {
		gather(func() int { return len(box.outcomes) })
		gathered := append(make([]core.Outcome, 0, min(1+len(box.outcomes), maxGather)), o)
		for size := len(o.Response); len(gathered) < maxGather && size < maxGatherBytes-maxResponse; {
			select {
			case next, ok := <-box.outcomes:
				if !ok {
					d.publishAll(box.engine, gathered)
					return
				}
				gathered = append(gathered, next)
				size += len(next.Response) + rowBytes/8
				continue
			default:
			}
			break
		}
		d.publishAll(box.engine, gathered)
	}
}

// maxResponse is the most that a Caller keeps of a response body, for sizing envelopes.
const maxResponse = 16 << 10

// publishAll tries until it succeeds. Every try is the same envelope, so that the engine knows it again if it has come after all.
func (d *dispatcher) publishAll(engine string, outcomes []core.Outcome) {
	id, from, topic := newEnvelopeID(), origin{engine, outcomes[len(outcomes)-1].Epoch}, d.wire.outcomes(engine)
	d.depart(engine, id)
	for tries := 0; ; tries++ {
		err := d.wire.publish(d.carry, topic, from, id, outcomes)
		switch {
		case err == nil:
			if tries > 0 {
				d.o.Logger.Info("outcomes are published again", "engine", engine)
			}
			return
		case d.carry.Err() != nil, errors.Is(err, ports.ErrClosed):
			d.arrived(id)
			return // an outcome that cannot be carried before the end is lost: its attempt is made again
		case tries == 0:
			d.o.Logger.Warn("outcomes cannot be published; tried again until they can", "engine", engine, "outcomes", len(outcomes), "error", err)
		}
		pause(d.carry)
	}
}

// depart notes an envelope of outcomes for the engine beside us, arrived that it was recorded: a stop waits for what is in between.
func (d *dispatcher) depart(engine, id string) {
	if engine != d.own {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent[id] = struct{}{}
}

func (d *dispatcher) arrived(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sent, id)
}

// onTheirWay counts the envelopes of outcomes that the engine beside us has not recorded yet.
func (d *dispatcher) onTheirWay() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.sent)
}
