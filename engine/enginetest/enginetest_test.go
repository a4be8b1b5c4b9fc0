package enginetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn"
	"posthorn/engine/enginetest"
	"posthorn/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// register registers a webhook for everything, and lets the receiver know its secret.
func register(t *testing.T, ph *posthorn.Posthorn, r *harness.Receiver) {
	t.Helper()
	wh, err := ph.RegisterWebhook(soon(t), posthorn.NewWebhook{Company: "42", URL: r.URL() + "/hook", EventTypes: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetSecret(wh.Secret); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, ph *posthorn.Posthorn) (id string) {
	t.Helper()
	msg, err := ph.Publish(soon(t), posthorn.NewMessage{Company: "42", EventType: "invoice.paid", Data: json.RawMessage(`{"n":7}`)})
	if err != nil {
		t.Fatal(err)
	}
	return msg.ID
}

func TestExample(t *testing.T) {
	t.Parallel()
	testInvoicePaid(t)
}

// A webhook without a schedule of its own is retried at once, and gives up in a moment.
func TestSpeeded(t *testing.T) {
	t.Parallel()
	ph, r := enginetest.New(t), harness.NewReceiver(t)
	r.Reply(harness.Reply{Status: 500, Times: 4})
	register(t, ph, r)
	failed := publish(t, ph)
	if ev := enginetest.Await(soon(t), t, ph, 0, "CallFailed"); ev.Seq == 0 {
		t.Errorf("event %+v", ev)
	}
	r.Expect(publish(t, ph))
	if err := r.AwaitExpected(soon(t)); err != nil {
		t.Error(err)
	}
	if err := r.AwaitID(soon(t), failed, 4); err != nil {
		t.Error(err)
	}
}

// The same directory again is a restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), harness.NewReceiver(t)
	ph := enginetest.New(t, posthorn.Options{Dir: dir})
	register(t, ph, r)
	r.Expect(publish(t, ph))
	if err := ph.Close(); err != nil {
		t.Fatal(err)
	}
	enginetest.New(t, posthorn.Options{Dir: dir})
	if err := r.AwaitExpected(soon(t)); err != nil {
		t.Error(err)
	}
}

// fakeTB is a test that may fail without failing ours.
type fakeTB struct {
	*testing.T
	failed   []string
	logged   int
	cleanups []func()
}

func (f *fakeTB) Logf(string, ...any) { f.logged++ }
func (f *fakeTB) Errorf(format string, a ...any) {
	f.failed = append(f.failed, fmt.Sprintf(format, a...))
}
func (f *fakeTB) Fatalf(format string, a ...any) { f.Errorf(format, a...) }
func (f *fakeTB) Cleanup(cleanup func())         { f.cleanups = append(f.cleanups, cleanup) }

func TestFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := &fakeTB{T: t}, &fakeTB{T: t}
	ph := enginetest.New(first, posthorn.Options{Dir: dir})
	if enginetest.New(second, posthorn.Options{Dir: dir}); len(second.failed) != 1 || !strings.Contains(second.failed[0], "is in use by pid") {
		t.Errorf("a directory in use: %q", second.failed)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	enginetest.Await(ended, second, ph, 0, "CallFailed")
	if len(second.failed) != 2 || !strings.Contains(second.failed[1], "no CallFailed came: context canceled") {
		t.Errorf("an event that never comes: %q", second.failed)
	}
	for _, cleanup := range first.cleanups {
		cleanup()
	}
	if first.failed != nil {
		t.Errorf("said %q of an engine that closed well", first.failed)
	}
}
