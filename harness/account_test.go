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
	want := "harness: " + r.URL() + `: 1 failed a check
2 deliveries: 2 unique, 0 retries, 0 duplicates, 0 unnamed; 1 verified, 1 bad, 0 unchecked
  bad: #2 POST /hook id "msg_2", signature stale: signed 1h0m0s before it came, 5m0s are allowed
  came: #1 POST /hook id "msg_1", signature valid, answered 204
  came: #2 POST /hook id "msg_2", signature stale: signed 1h0m0s before it came, 5m0s are allowed, answered 204`
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
		`of 15 expected ids 12 lost, 0 late, 0 others came
  duplicate: msg_1
  lost: msg_3 to msg_8 (6)
  lost: msg_10 to msg_15 (6)`
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

// What came is compared with what was expected, from the gaps to the order, path by path.
func TestAccountOfOrder(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, sent, expected string
		late, lost, gaps     string
	}{
		{"as expected", "1 2 3", "1 2 3", "[]", "[]", "[]"},
		{"one late", "1 3 4 2", "1 2 3 4", "[2]", "[]", "[]"},
		{"one early", "4 1 2 3", "1 2 3 4", "[1 2 3]", "[]", "[]"},
		{"retried in between", "1 2 1 3 2", "1 2 3", "[]", "[]", "[]"},
		{"a hole", "1 4 5", "1 2 3 4 5", "[]", "[2 3]", "[2 to 3 (2)]"},
		{"holes at the ends", "2 4", "1 2 3 4 5 6", "[]", "[1 3 5 6]", "[1 3 5 to 6 (2)]"},
		{"all lost", "9", "1 2", "[]", "[1 2]", "[1 to 2 (2)]"},
		{"late behind a hole", "3 1", "1 2 3", "[1]", "[2]", "[2]"},
		{"told twice", "2 1", "1 2 1", "[1]", "[]", "[]"},
		{"two paths, each in order", "1 2 3/x 4/x 1/x", "3 4 1 2", "[]", "[]", "[]"},
		{"one of two paths is out of order", "1 2 2/x 1/x", "1 2", "[1]", "[]", "[]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, harness.Options{})
			r.Reply(harness.Reply{Status: 500, Keep: true})
			for word := range strings.FieldsSeq(c.sent) {
				id, path, _ := strings.Cut(word, "/")
				send(t, newClient(t), r.URL()+"/"+path, id)
			}
			r.Expect(strings.Fields(c.expected)...)
			a := r.Account()
			if got := fmt.Sprint(a.Late); got != c.late {
				t.Errorf("late %s, want %s", got, c.late)
			}
			if got := fmt.Sprint(a.Lost, a.Gaps); got != c.lost+" "+c.gaps {
				t.Errorf("lost %s, want %s %s", got, c.lost, c.gaps)
			}
		})
	}
}

// Each path with expectations is judged by its own; what nobody expected fails nothing.
func TestNewReceiverJudgesEachPath(t *testing.T) {
	t.Parallel()
	tb, client := &fakeTB{}, newClient(t)
	r := harness.NewReceiver(tb)
	a, b, c := r.Endpoint("/a"), r.Endpoint("/b"), r.Endpoint("/c")
	a.Expect("m1", "m2")
	b.ExpectInOrder("m1", "m2")
	for _, e := range []*harness.Endpoint{a, b, c} {
		send(t, client, e.URL(), "m2")
		send(t, client, e.URL(), "m1")
		send(t, client, e.URL(), "m9")
	}
	send(t, client, c.URL(), "m9")
	if err := r.Endpoint("/a").AwaitExpected(soon(t)); err != nil {
		t.Error(err)
	}
	tb.end()
	want := "harness: " + b.URL() + `: 1 came out of order
3 deliveries: 3 unique, 0 retries, 0 duplicates, 0 unnamed; 0 verified, 0 bad, 3 unchecked; of 2 expected ids 0 lost, 1 late, 1 others came
  late: m1
  came: #4 POST /b id "m2", not verified, answered 204
  came: #5 POST /b id "m1", not verified, answered 204
  came: #6 POST /b id "m9", not verified, answered 204`
	if got := strings.Join(tb.text, "\n---\n"); got != want {
		t.Errorf("said\n%s\nwant\n%s", got, want)
	}
}
