package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A bench is an engine over doubles that work in fake time, made inside a synctest bubble.
type bench struct {
	*engine.Engine
	t      *testing.T
	store  ports.Store
	caller *portstest.ScriptedCaller
}

func open(t *testing.T, change ...func(*engine.Options)) *bench {
	t.Helper()
	b := &bench{t: t, caller: portstest.NewScriptedCaller()}
	o := engine.Options{
		Store: memstore.New(), Bus: goBus(), Caller: b.caller,
		Key: engine.NewKey([engine.KeyBytes]byte{1}),
	}
	for _, c := range change {
		c(&o)
	}
	b.store = o.Store
	e, err := engine.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

func (b *bench) close() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatalf("close: %v", err)
	}
}

const receiver = "https://receiver.example/hook"

func (b *bench) register(n engine.NewWebhook) engine.Registered {
	b.t.Helper()
	if n.Company == "" {
		n.Company = "42"
	}
	if n.URL == "" {
		n.URL = receiver
	}
	if n.EventTypes == nil {
		n.EventTypes = []string{"candidate.created"}
	}
	w, err := b.RegisterWebhook(context.Background(), n)
	if err != nil {
		b.t.Fatalf("register: %v", err)
	}
	return w
}

func (b *bench) candidate() engine.Candidate {
	b.t.Helper()
	c, err := b.CreateCandidate(context.Background(), engine.NewCandidate{
		Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Fields: map[string]any{"location": "London"},
	})
	if err != nil {
		b.t.Fatalf("create candidate: %v", err)
	}
	return c
}

func (b *bench) calls() []engine.Call {
	b.t.Helper()
	var out []engine.Call
	for c, err := range b.Calls(context.Background(), engine.CallQuery{Company: "42"}) {
		if err != nil {
			b.t.Fatalf("calls: %v", err)
		}
		out = append(out, c)
	}
	return out
}

func status(code int) portstest.ScriptedReply {
	class := ports.ClassStatus
	if code/100 == 2 {
		class = ports.ClassOK
	}
	return portstest.ScriptedReply{Reply: ports.Reply{Status: code, Class: class, Error: fmt.Sprintf("status %d", code)}}
}

func TestSeedScheduleIsThreeAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.register(engine.NewWebhook{Seed: true})
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply { return status(http.StatusInternalServerError) })
		b.candidate()
		time.Sleep(time.Hour)
		synctest.Wait()
		calls := b.calls()
		if len(calls) != 1 || calls[0].State != engine.CallState("failed") || calls[0].AttemptCount != 3 {
			t.Fatalf("calls = %+v", calls)
		}
		d, err := b.Call(context.Background(), "42", calls[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a := d.Attempts
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute} {
			if got := a[i+1].StartedAt.Sub(a[i].StartedAt); got != want {
				t.Errorf("wait %d = %s, want %s", i+1, got, want)
			}
		}
	})
}
