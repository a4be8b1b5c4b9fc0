package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A session is what one engine sees of a store that outlives it: after Close it refuses, as a store on disk does, and the next
// session finds everything.
type session struct {
	ports.Store

	closed atomic.Bool
}

func (s *session) Close() error {
	s.closed.Store(true)
	return nil
}

func (s *session) Apply(ctx context.Context, c ports.Commit) error {
	if s.closed.Load() {
		return fmt.Errorf("apply: %w", ports.ErrClosed)
	}
	return s.Store.Apply(ctx, c)
}

func (s *session) View(ctx context.Context, read func(ports.Reader) error) error {
	if s.closed.Load() {
		return fmt.Errorf("view: %w", ports.ErrClosed)
	}
	return s.Store.View(ctx, read)
}

// openOn opens an engine over a store that outlives it, with the caller of the one before.
func openOn(t *testing.T, disk ports.Store, caller *portstest.ScriptedCaller, change ...func(*engine.Options)) *bench {
	t.Helper()
	b := open(t, append(change, func(o *engine.Options) {
		o.Store = &session{Store: disk}
		o.Caller = caller
	})...)
	b.caller = caller
	return b
}

// answer makes every attempt that has no script end with one status.
func (b *bench) answer(code int) {
	b.caller.Respond(func(ports.Request) portstest.ScriptedReply { return status(code) })
}

// publish tells a message with data, of the type invoice.paid.
func (b *bench) publish(data string) engine.Message {
	b.t.Helper()
	m, err := b.Publish(context.Background(), engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(data)})
	if err != nil {
		b.t.Fatalf("publish: %v", err)
	}
	return m
}

// invoices registers a webhook for what publish tells.
func (b *bench) invoices(n engine.NewWebhook) engine.Registered {
	b.t.Helper()
	n.EventTypes = []string{"invoice.*"}
	return b.register(n)
}

func (b *bench) detail(id string) engine.CallDetail {
	b.t.Helper()
	d, err := b.Call(context.Background(), "42", id)
	if err != nil {
		b.t.Fatalf("call %s: %v", id, err)
	}
	return d
}

// wantStates fails the test unless exactly so many calls of company 42 are in each state.
func (b *bench) wantStates(want map[string]int) {
	b.t.Helper()
	got := map[string]int{}
	for _, c := range b.calls() {
		state := string(c.State)
		if c.Reason != "" {
			state += ": " + string(c.Reason)
		}
		got[state]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("calls by state = %v, want %v", got, want)
	}
}

// wantErr fails the test unless err matches want.
func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want one that matches %q", err, want)
	}
}

// bubble runs a test in fake time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass, and everything that it brings come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
