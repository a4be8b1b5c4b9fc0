package harness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

// fakeTB is a test that may fail without failing ours.
type fakeTB struct {
	failed   bool
	text     []string
	cleanups []func()
}

func (*fakeTB) Helper()                        {}
func (f *fakeTB) Logf(format string, a ...any) { f.text = append(f.text, fmt.Sprintf(format, a...)) }
func (f *fakeTB) Cleanup(c func())             { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Failed() bool                 { return f.failed }
func (f *fakeTB) Fatalf(s string, a ...any)    { f.Errorf(s, a...) }
func (f *fakeTB) Errorf(s string, a ...any)    { f.failed = true; f.Logf(s, a...) }
func (f *fakeTB) end() {
	for _, c := range f.cleanups {
		c()
	}
}

func TestNewReceiverReports(t *testing.T) {
	t.Parallel()
	tb, client := &fakeTB{}, newClient(t)
	r := harness.NewReceiver(tb, harness.Options{Secret: secret})
	send(t, client, r.URL()+"/hook", "msg_1")
	late := request(t, r.URL()+"/hook", "msg_2", "{}", time.Now().Add(-time.Hour))
	do(t, client, late)
	tb.end()
	want := "harness: receiver " + r.URL() + ` got what the secret does not confirm: ` +
		`2 deliveries: 2 unique, 0 retries, 0 duplicates, 0 unnamed; 1 verified, 1 bad, 0 unchecked
  bad: #2 POST /hook id "msg_2", signature stale: signed 1h0m0s before it came, 5m0s are allowed`
	// The age is rounded to the second and may have grown by one.
	if got := strings.ReplaceAll(strings.Join(tb.text, "\n"), "1h0m1s", "1h0m0s"); !tb.failed || got != want {
		t.Errorf("reported\n%s\nwant\n%s", got, want)
	}
}

func TestNewReceiverIsSilent(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	r := harness.NewReceiver(tb)
	send(t, newClient(t), r.URL(), "msg_1")
	tb.end()
	if tb.failed || len(tb.text) > 0 {
		t.Errorf("said %q of a test that went well", tb.text)
	}
	if err := r.Await(soon(t), 2); err == nil {
		t.Error("the receiver is still open")
	}

	failing := &fakeTB{failed: true}
	harness.NewReceiver(failing)
	failing.end()
	if len(failing.text) != 1 || !strings.Contains(failing.text[0], "0 deliveries") {
		t.Errorf("said %q of a test that failed", failing.text)
	}

	refused := &fakeTB{}
	if harness.NewReceiver(refused, harness.Options{Listen: "nowhere:-1"}); !refused.failed {
		t.Error("an address that cannot be listened on went well")
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	r.Reply(harness.Reply{Status: 500})
	for _, id := range []string{"msg_1", "msg_1", "msg_1", "msg_2", "", "msg_9"} {
		send(t, client, r.URL(), id)
	}
	send(t, client, r.URL()+"/other", "msg_1") // another path, another webhook: no duplicate
	expected := make([]string, 0, 15)
	for i := range 15 {
		expected = append(expected, fmt.Sprintf("msg_%d", i+1))
	}
	a := r.Account(expected...)
	want := `7 deliveries: 4 unique, 1 retries, 1 duplicates, 1 unnamed; 0 verified, 0 bad, 7 unchecked; ` +
		`of 15 expected ids 12 lost, 0 others came
  duplicate: msg_1
  lost: msg_3
  lost: msg_4
  lost: msg_5
  lost: msg_6
  lost: msg_7
  lost: msg_8
  lost: msg_10
  lost: msg_11
  lost: msg_12
  lost: msg_13
  lost: and 2 more`
	if a.String() != want {
		t.Errorf("account\n%v\nwant\n%s", a, want)
	}
	if a.OK() || !r.Endpoint("/other").Account("msg_1").OK() || a.First.IsZero() || a.Last.Before(a.First) {
		t.Errorf("%+v", a)
	}
	if some := r.Account("msg_1"); some.Unexpected != 2 {
		t.Errorf("%d unexpected, want msg_2 and msg_9", some.Unexpected)
	}
}
