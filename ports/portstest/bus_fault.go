package portstest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"posthorn/ports"
)

// ErrInjected is what a [FaultBus] returns from a Publish that it makes fail.
var ErrInjected = errors.New("fault injected by the test")

// A BusFault is what a [FaultBus] does with one Publish.
type BusFault int

// The faults of a bus.
const (
	BusFaithful   BusFault = iota // hands the envelopes on as they are
	BusFailBefore                 // returns ErrInjected, and hands nothing on
	BusFailAfter                  // hands the envelopes on, and returns ErrInjected all the same
	BusDrop                       // returns nil, and hands nothing on: what a transport does that loses envelopes
	BusDuplicate                  // hands the envelopes on twice
	BusReverse                    // hands the envelopes on, the last one first
	BusHold                       // returns nil, and keeps the envelopes until Release: late ones, and behind later ones
)

// A FaultBus is a bus whose Publish goes wrong when a test says so. Handle, Run and Running are those of the bus inside. It
// may be used from many goroutines at once.
type FaultBus struct {
	ports.Bus

	plan func(topic string, nth int) BusFault

	mu        sync.Mutex
	published map[string]int
	held      []heldPublish
}

type heldPublish struct {
	topic     string
	envelopes []ports.Envelope
}

// NewFaultBus wraps a bus. plan chooses the fault of the nth Publish on a topic, counted from 1 for each topic. It is called under
// a lock, one call at a time, so it may keep state of its own; it must not call the bus.
func NewFaultBus(inside ports.Bus, plan func(topic string, nth int) BusFault) *FaultBus {
	return &FaultBus{Bus: inside, plan: plan, published: map[string]int{}}
}

// Publish implements [ports.Bus], but for the fault that the plan chooses.
func (b *FaultBus) Publish(ctx context.Context, topic string, envelopes ...ports.Envelope) error {
	switch b.next(topic, envelopes) {
	case BusFailBefore:
		return ErrInjected
	case BusFailAfter:
		return errors.Join(b.Bus.Publish(ctx, topic, envelopes...), ErrInjected)
	case BusDrop, BusHold:
		return nil
	case BusDuplicate:
		if err := b.Bus.Publish(ctx, topic, envelopes...); err != nil {
			return err
		}
	case BusReverse:
		envelopes = slices.Clone(envelopes)
		slices.Reverse(envelopes)
	case BusFaithful:
	}

	return b.Bus.Publish(ctx, topic, envelopes...)
}

// next counts the Publish, asks the plan, and keeps what is to be held.
func (b *FaultBus) next(topic string, envelopes []ports.Envelope) BusFault {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.published[topic]++

	fault := b.plan(topic, b.published[topic])
	if fault == BusHold {
		b.held = append(b.held, heldPublish{topic, cloneEnvelopes(envelopes)})
	}

	return fault
}

// Release hands on everything held, in the order in which it was published, and returns how many envelopes that were.
func (b *FaultBus) Release(ctx context.Context) (int, error) {
	b.mu.Lock()
	held := b.held
	b.held = nil
	b.mu.Unlock()

	released := 0

	for _, h := range held {
		if err := b.Bus.Publish(ctx, h.topic, h.envelopes...); err != nil {
			return released, err
		}

		released += len(h.envelopes)
	}

	return released, nil
}

// Published returns how often Publish was called for a topic, whatever came of it.
func (b *FaultBus) Published(topic string) int {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.published[topic]
}

func cloneEnvelopes(envelopes []ports.Envelope) []ports.Envelope {
	copies := slices.Clone(envelopes)
	for i, e := range copies {
		copies[i].Meta, copies[i].Body = maps.Clone(e.Meta), bytes.Clone(e.Body)
	}

	return copies
}
