package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// An exchange is a broker inside a test, which outlives the processes at it: each envelope goes to one subscriber of its topic, in turn;
// what nobody takes waits; what is not acknowledged, because its handler refused it or its process died, comes again.
type exchange struct {
	mu      sync.Mutex
	away    bool // it cannot be reached
	doubles bool // it delivers every envelope twice, the newest first
	waiting map[string][]ports.Envelope
	serving map[string][]*terminal // the next first
	kept    map[string][]ports.Envelope
}

func newExchange() *exchange {
	return &exchange{waiting: map[string][]ports.Envelope{}, serving: map[string][]*terminal{}, kept: map[string][]ports.Envelope{}}
}

var errAway = errors.New("no broker answers")

func (x *exchange) setAway(away bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.away = away
	for topic := range x.waiting {
		x.deliver(topic)
	}
}

// put hands an envelope to the topic, as anybody can who reaches the broker.
func (x *exchange) put(topic string, e ports.Envelope) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiting[topic] = append(x.waiting[topic], e)
	if x.doubles {
		x.waiting[topic] = append(x.waiting[topic], e)
		slices.Reverse(x.waiting[topic])
	}
	x.deliver(topic)
}

// deliver empties the topic's queue, under the lock.
func (x *exchange) deliver(topic string) {
	for !x.away && len(x.waiting[topic]) > 0 && len(x.serving[topic]) > 0 {
		e, to := x.waiting[topic][0], x.serving[topic][0]
		x.waiting[topic] = x.waiting[topic][1:]
		x.serving[topic] = append(x.serving[topic][1:], to)
		to.inside[topic].Go(func() { to.take(topic, e) })
	}
}

// published returns everything that was ever published to a topic.
func (x *exchange) published(topic string) []ports.Envelope {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.kept[topic])
}

// A terminal is one process's bus over the exchange.
type terminal struct {
	x        *exchange
	ctx      context.Context
	dead     bool // under x.mu
	handlers map[string]ports.Handler
	inside   map[string]*sync.WaitGroup
	running  chan struct{}
}

func (x *exchange) bus() *terminal {
	return &terminal{x: x, handlers: map[string]ports.Handler{}, inside: map[string]*sync.WaitGroup{}, running: make(chan struct{})}
}

func (p *terminal) Handle(topic string, h ports.Handler) {
	p.handlers[topic], p.inside[topic] = h, &sync.WaitGroup{}
}

func (p *terminal) Running() <-chan struct{} { return p.running }

func (p *terminal) Run(ctx context.Context) error {
	p.ctx = ctx
	p.x.mu.Lock()
	for topic := range p.handlers {
		p.x.serving[topic] = append(p.x.serving[topic], p)
		p.x.deliver(topic)
	}
	p.x.mu.Unlock()
	close(p.running)
	<-ctx.Done()
	for topic := range p.handlers {
		p.StopHandling(topic)
	}
	return nil
}

// StopHandling is what watermillbus.Bus has too.
func (p *terminal) StopHandling(topic string) {
	p.leave(topic)
	p.inside[topic].Wait()
}

func (p *terminal) leave(topic string) {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	p.x.serving[topic] = slices.DeleteFunc(p.x.serving[topic], func(q *terminal) bool { return q == p })
}

// Health is what watermillbus.Bus has too.
func (p *terminal) Health(context.Context) error {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	if p.x.away {
		return errAway
	}
	return nil
}

func (p *terminal) Publish(_ context.Context, topic string, envelopes ...ports.Envelope) error {
	p.x.mu.Lock()
	away := p.x.away || p.dead
	if !away {
		p.x.kept[topic] = append(p.x.kept[topic], envelopes...)
	}
	p.x.mu.Unlock()
	if away {
		return errAway
	}
	for _, e := range envelopes {
		p.x.put(topic, e)
	}
	return nil
}

// take handles one envelope. What is not acknowledged comes again after a moment.
func (p *terminal) take(topic string, e ports.Envelope) {
	err := p.handlers[topic](p.ctx, e)
	if p.died() || err != nil {
		time.AfterFunc(50*time.Millisecond, func() { p.x.put(topic, e) })
	}
}

func (p *terminal) died() bool {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	return p.dead
}

// die makes the exchange hear nothing more of the process: no acknowledgement, no envelope.
func (p *terminal) die() {
	p.x.mu.Lock()
	p.dead = true
	p.x.mu.Unlock()
	for topic := range p.handlers {
		p.leave(topic)
	}
}

// A helper is a dispatcher that stands alone at an exchange, and what came of its tasks.
type helper struct {
	*engine.Dispatcher
	t     *testing.T
	at    *terminal
	ended chan error
	end   context.CancelFunc

	mu       sync.Mutex
	attempts int
	dropped  map[engine.DropReason]int
	rejected int
}

func (x *exchange) helper(t *testing.T, caller ports.Caller, change ...func(*engine.DispatcherOptions)) *helper {
	t.Helper()
	h := &helper{t: t, at: x.bus(), ended: make(chan error, 1), dropped: map[engine.DropReason]int{}}
	o := engine.DispatcherOptions{Bus: h.at, Caller: caller, Key: engine.NewKey([engine.KeyBytes]byte{1}), Hooks: engine.DispatchHooks{
		Attempted: func(engine.AttemptInfo) { h.note(func() { h.attempts++ }) },
		Dropped:   func(r engine.DropReason) { h.note(func() { h.dropped[r]++ }) },
		Rejected:  func(string, error) { h.note(func() { h.rejected++ }) },
	}}
	for _, c := range change {
		c(&o)
	}
	d, err := engine.NewDispatcher(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Dispatcher = d
	ctx, end := context.WithCancel(context.Background())
	h.end = end
	go func() { h.ended <- d.Run(ctx) }() // joined by stop and kill
	return h
}

func (h *helper) note(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// saw returns how many attempts it has made, and how many tasks it has dropped for which reasons.
func (h *helper) saw() (attempts int, dropped map[engine.DropReason]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.attempts, h.dropped
}

// stop drains it.
func (h *helper) stop() {
	h.t.Helper()
	if err := errors.Join(h.Shutdown(context.Background()), <-h.ended); err != nil {
		h.t.Errorf("stop a dispatcher: %v", err)
	}
	h.end()
}

// kill ends it as SIGKILL does, as far as the exchange and the receivers see.
func (h *helper) kill() {
	h.at.die()
	h.end()
	<-h.ended //nolint:errcheck // what it says nobody hears
}

// engine opens one that dispatches nothing itself, over a store that outlives it.
func (x *exchange) engine(t *testing.T, disk ports.Store) *bench {
	t.Helper()
	return open(t, func(o *engine.Options) {
		o.Store, o.Bus, o.Caller, o.NoDispatch = &session{Store: disk}, x.bus(), nil, true
	})
}

// at has b count the calls of a caller that the dispatchers share.
func (b *bench) at(c *portstest.ScriptedCaller) *bench {
	b.caller = c
	return b
}
