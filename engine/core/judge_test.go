package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/ports"
)

// A scene brings the one call of a world, call_1 of company 42, into a state; current is the attempt that is awaited next.
type scene struct {
	name    string
	current int
	story   string
}

const (
	twoWaits = `register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":["10s","5m"]}
`
	published = twoWaits + `publish {"company":"42","eventType":"x","data":1}
`
	published12 = `register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":["10s","5m"],"maxAge":"56m5s"}
publish {"company":"42","eventType":"x","data":1}
update {"company":"42","id":"wh_1","maxAge":"0s"}
`
	failedOnce = published + `judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"class":"status","status":500}
`
	failedTwice = failedOnce + `judge {"company":"42","call":"call_1","attempt":2,"lease":1,"epoch":1,"class":"status","status":500}
`
)

func scenes() []scene {
	return []scene{
		{"pending, the current attempt", 1, published},
		{"pending, the current attempt after one that failed", 2, failedOnce},
		{"pending, an older attempt under another lease", 1, failedOnce},
		{"pending, the last attempt of the schedule", 3, failedTwice},
		{"pending, webhook disabled", 1, published + `disable {"company":"42","id":"wh_1"}`},
		{"pending, webhook deleted", 1, published + `delete {"company":"42","id":"wh_1"}`},
		{"pending, webhook disabled and enabled again", 1, published + "disable {\"company\":\"42\",\"id\":\"wh_1\"}\nenable {\"company\":\"42\",\"id\":\"wh_1\"}"},
		{"pending, schedule shortened while it waited", 2, failedOnce + `update {"company":"42","id":"wh_1","schedule":[]}`},
		{"pending, webhook paused", 1, published + `pause {"company":"42","id":"wh_1"}`},
		{"pending, too old in 12s", 1, published12},
		{"a test call", 1, twoWaits + `test {"company":"42","id":"wh_1"}`},
		{"succeeded", 1, published + `judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"status":200}`},
		{"failed", 3, failedTwice + `judge {"company":"42","call":"call_1","attempt":3,"lease":1,"epoch":1,"class":"timeout"}`},
		{"skipped", 1, twoWaits + "disable {\"company\":\"42\",\"id\":\"wh_1\"}\npublish {\"company\":\"42\",\"eventType\":\"x\",\"data\":1}"},
		{"cancelled", 1, published + `cancel {"company":"42","id":"call_1"}`},
	}
}

// outcomes are under lease 2, so that none repeats one of a scene.
func outcomes() []struct {
	name string
	Outcome
} {
	return []struct {
		name string
		Outcome
	}{
		{"200", Outcome{Status: 200}},
		{"204", Outcome{Status: 204}},
		{"301", Outcome{Status: 301, Class: ports.ClassRedirect}},
		{"404", Outcome{Status: 404, Class: ports.ClassStatus}},
		{"410", Outcome{Status: 410, Class: ports.ClassStatus}},
		{"429", Outcome{Status: 429, Class: ports.ClassStatus}},
		{"429 after 1", Outcome{Status: 429, Class: ports.ClassStatus, RetryAfter: "1"}},
		{"429 after 13", Outcome{Status: 429, Class: ports.ClassStatus, RetryAfter: "13"}},
		{"429 after 1e10", Outcome{Status: 429, Class: ports.ClassStatus, RetryAfter: "10000000000"}},
		{"429 at a date", Outcome{Status: 429, Class: ports.ClassStatus, RetryAfter: "Fri, 02 Jan 2026 04:00:15 GMT"}},
		{"500", Outcome{Status: 500, Class: ports.ClassStatus}},
		{"500 after 13", Outcome{Status: 500, Class: ports.ClassStatus, RetryAfter: "13"}},
		{"503 after 13", Outcome{Status: 503, Class: ports.ClassStatus, RetryAfter: "13"}},
		{"timeout", Outcome{Class: ports.ClassTimeout}},
		{"dns", Outcome{Class: ports.ClassDNS}},
		{"connect", Outcome{Class: ports.ClassConnect}},
		{"tls", Outcome{Class: ports.ClassTLS}},
		{"reset", Outcome{Class: ports.ClassReset}},
		{"blocked", Outcome{Class: ports.ClassBlocked}},
		{"internal", Outcome{Class: ports.ClassInternal}},
		{"proxy", Outcome{Class: ports.ClassProxy}},
	}
}

// set brings a world into a scene, at 04:00 whatever the scene took.
func (sc scene) set(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.script(sc.story)
	w.now = time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)
	return w
}

// TestJudgeTable is the whole table: what every outcome means for a call in every state.
func TestJudgeTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, sc := range scenes() {
		fmt.Fprintf(&out, "# %s\n", sc.name)
		for _, o := range outcomes() {
			o.Attempt, o.Lease = sc.current, 2
			fmt.Fprintf(&out, "%-15s %s\n", o.name, sc.set(t).verdict(o.Outcome))
		}
		out.WriteString("\n")
	}
	golden(t, "judge.golden", out.String())
}

// TestJudgeRepeats: what is told apart by attempt, lease and epoch, after one attempt that failed with a 500 under lease 1, epoch 1.
func TestJudgeRepeats(t *testing.T) {
	t.Parallel()
	fail, ok := Outcome{Status: 500, Class: ports.ClassStatus}, Outcome{Status: 200}
	rows := []struct {
		name                  string
		attempt, lease, epoch int
		call                  string
	}{
		{"the same attempt, lease and epoch", 1, 1, 1, "call_1"},
		{"another lease", 1, 2, 1, "call_1"},
		{"another epoch", 1, 1, 2, "call_1"},
		{"the next attempt", 2, 1, 1, "call_1"},
		{"an attempt beyond the next", 3, 1, 1, "call_1"},
		{"attempt 0", 0, 1, 1, "call_1"},
		{"a negative attempt", -1, 1, 1, "call_1"},
		{"an unknown call", 1, 1, 1, "call_9"},
	}
	var out strings.Builder
	for _, r := range rows {
		for _, o := range []Outcome{fail, ok} {
			w := scene{story: failedOnce}.set(t)
			o.Call, o.Attempt, o.Lease, o.Epoch = r.call, r.attempt, r.lease, uint64(r.epoch)
			first := w.verdict(o)
			fmt.Fprintf(&out, "%-35s %d  %s; again: %s\n", r.name, o.Status, first, w.verdict(o))
		}
	}
	golden(t, "judge-repeats.golden", out.String())
}

// verdict judges an outcome of call_1 and writes the decision in short, with the state that the call is in then.
func (w *world) verdict(o Outcome) string {
	w.t.Helper()
	o.Company = "42"
	if o.Call == "" {
		o.Call = "call_1"
	}
	if o.Epoch == 0 {
		o.Epoch = 1
	}
	d, err := Judge(w.state, w, w.now, o, 0, DefaultDisableAfter)
	if err != nil {
		w.t.Fatal(err)
	}
	recorded := w.record(d)
	words := make([]string, 0, len(recorded))
	for _, r := range recorded {
		words = append(words, w.short(r))
	}
	if len(words) == 0 {
		return "nothing"
	}
	row, err := w.state.call("42", o.Call)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(words, ", ") + " -> " + string(row.State)
}

func (w *world) short(r Recorded) string {
	switch e := r.Event.(type) {
	case CallAttempted:
		if e.NextAt != 0 {
			return "attempted, next in " + Duration(e.NextAt.Time().Sub(r.At)).String()
		}
		return "attempted"
	case CallSucceeded:
		return "succeeded"
	case CallFailed:
		return "failed (" + string(e.Reason) + ")"
	case CallCancelled:
		return "cancelled (" + string(e.Reason) + ")"
	case WebhookDisabled:
		return "webhook disabled (" + e.Reason + ")"
	}
	return w.codec.TypeName(r.Event)
}
