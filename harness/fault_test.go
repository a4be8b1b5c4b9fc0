package harness_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

func TestRepliesByPredicate(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	firstAttempt := func(d harness.Delivery) bool { return d.Repeat == 0 }
	only := func(id string) func(harness.Delivery) bool {
		return func(d harness.Delivery) bool { return d.ID == id }
	}
	r.Reply(
		harness.Reply{When: firstAttempt, Status: 500, Keep: true},
		harness.Reply{When: only("b"), Status: 410},
		harness.Reply{When: only("a"), Status: 429, Times: 2},
	)
	got := make([]string, 0, 8)
	for id := range strings.FieldsSeq("x a b a c b x b") {
		got = append(got, fmt.Sprint(id, send(t, client, r.URL(), id)))
	}
	if want := "x500 a429 b410 a429 c500 b204 x204 b204"; strings.Join(got, " ") != want {
		t.Errorf("answered %v\nwant     %s", got, want)
	}
	r.Script(harness.Reply{Status: 418, Keep: true}, harness.Reply{When: only("new"), Status: 201, Keep: true})
	if a, b := send(t, client, r.URL(), "new"), send(t, client, r.URL(), "y"); a != 201 || b != 418 {
		t.Errorf("a script in place of another: %d and %d", a, b)
	}
	if r.Script(); send(t, client, r.URL(), "z") != 204 {
		t.Error("a cleared script still answers")
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.Reply(harness.Reply{Location: r.URL() + "/new"}, harness.Reply{Location: "/new", Status: 301})
	for _, want := range []struct {
		status   int
		location string
	}{{307, r.URL() + "/new"}, {301, "/new"}} {
		got := do(t, client, request(t, r.URL()+"/old", "msg_1", "{}", time.Now()))
		if got.status != want.status || got.header.Get("Location") != want.location {
			t.Errorf("answered %d to %s, want %v", got.status, got.header.Get("Location"), want)
		}
	}
}

// An answer that was cut, or goes on without end, confirms nothing: what comes again is a retry. One that dripped to its end does.
func TestFaultyAnswersConfirmNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply      harness.Reply
		body       string
		broken     bool
		duplicates int
	}{
		{harness.Reply{Fault: harness.Truncate, Body: "0123456789"}, "01234", true, 0},
		{harness.Reply{Fault: harness.Truncate}, "cut here: the second half", true, 0},
		{harness.Reply{Fault: harness.Drip, Body: "abc", Pause: time.Millisecond}, "abc", false, 1},
		{harness.Reply{Body: "abc", Delay: time.Millisecond}, "abc", false, 1},
		{harness.Reply{Body: "abc", Status: 500}, "abc", false, 0},
	} {
		client, r := newClient(t), start(t, harness.Options{})
		r.Reply(c.reply)
		got, err := exchange(client, request(t, r.URL(), "msg_1", "{}", time.Now()))
		if !strings.HasPrefix(got.body, c.body) || (err != nil) != c.broken {
			t.Errorf("%+v: came %q, %v", c.reply, got.body, err)
		}
		send(t, client, r.URL(), "msg_1")
		if a := r.Account(); a.Duplicates != c.duplicates || a.Retries != 1-c.duplicates {
			t.Errorf("%+v: %v", c.reply, a)
		}
	}
}

func TestDripWithoutEnd(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	r.Reply(harness.Reply{Fault: harness.Drip, Pause: time.Millisecond})
	resp, err := client.Do(request(t, r.URL(), "msg_1", "{}", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 20); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("answered %d, %v", resp.StatusCode, err)
	}
	if r.UnderWay() != 1 || r.Endpoint("/").UnderWay() != 1 || r.Endpoint("/x").UnderWay() != 0 {
		t.Errorf("under way: %d", r.UnderWay())
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := r.AwaitIdle(soon(t), 0); err != nil { // the sender's going ends it
		t.Error(err)
	}
}

func TestAnswerByFunction(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	answers := []func(w http.ResponseWriter, req *http.Request, d harness.Delivery){
		func(w http.ResponseWriter, req *http.Request, d harness.Delivery) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.Copy(w, req.Body)
			_, _ = fmt.Fprint(w, d.N)
		},
		func(w http.ResponseWriter, _ *http.Request, _ harness.Delivery) { _, _ = io.WriteString(w, "thanks") },
		func(http.ResponseWriter, *http.Request, harness.Delivery) {},
	}
	for _, a := range answers {
		r.Reply(harness.Reply{Answer: a})
	}
	for i, want := range []answer{{status: 503, body: `{"n":7}1`}, {status: 200, body: "thanks"}, {status: 200}} {
		got := do(t, client, request(t, r.URL(), "msg_1", `{"n":7}`, time.Now()))
		if got.status != want.status || got.body != want.body {
			t.Errorf("answer %d was %d %q, want %d %q", i, got.status, got.body, want.status, want.body)
		}
	}
	if a := r.Account(); a.Retries != 1 || a.Duplicates != 1 { // after the 503, and after the 200
		t.Errorf("%v", a)
	}
}
