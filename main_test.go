package posthorn_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn"
	"posthorn/harness"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		os.Exit(1) // it was to be killed
	}
	goleak.VerifyTestMain(m)
}

// patience bounds a test that waits for what never comes.
const patience = 30 * time.Second

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open starts an engine that may call loopback, and closes it when the test ends.
func open(t *testing.T, o posthorn.Options) *posthorn.Posthorn {
	t.Helper()
	o.AllowTargets = append(o.AllowTargets, "127.0.0.1")
	ph, err := posthorn.Open(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, ph) })
	return ph
}

func shut(t *testing.T, ph *posthorn.Posthorn) {
	t.Helper()
	if err := ph.Close(); err != nil {
		t.Error(err)
	}
}

const company = "42"

// register registers a webhook for everything, with a single attempt, and lets the receiver know its secret.
func register(t *testing.T, ph *posthorn.Posthorn, receiver *harness.Receiver, schedule ...time.Duration) posthorn.Registered {
	t.Helper()
	wh, err := ph.RegisterWebhook(bounded(t), posthorn.NewWebhook{
		Company: company, URL: receiver.URL() + "/hook", EventTypes: []string{"*"}, Schedule: append([]time.Duration{}, schedule...),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.SetSecret(wh.Secret); err != nil {
		t.Fatal(err)
	}
	return wh
}

func ada() posthorn.NewCandidate {
	return posthorn.NewCandidate{Company: company, Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"}
}

func create(t *testing.T, ph *posthorn.Posthorn) posthorn.Candidate {
	t.Helper()
	c, err := ph.CreateCandidate(bounded(t), ada())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ended waits until an event of the type is on disk, and returns all calls, newest first.
func ended(t *testing.T, ph *posthorn.Posthorn, eventType string) []posthorn.Call {
	t.Helper()
	ctx := bounded(t)
	found := false
	for ev, err := range ph.Follow(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if found = ev.Type == eventType; found {
			break
		}
	}
	if !found {
		t.Fatalf("no %s came: %v", eventType, ctx.Err())
	}
	return calls(t, ph)
}

func calls(t *testing.T, ph *posthorn.Posthorn) []posthorn.Call {
	t.Helper()
	var all []posthorn.Call
	for c, err := range ph.Calls(bounded(t), posthorn.CallQuery{Company: company}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("decode %s: %v", data, err)
	}
}
