package core

import (
	"testing"
	"time"

	"posthorn/ports"
)

const (
	day  = 24 * time.Hour
	noon = 12 * time.Hour
)

// TestDisabledAfterFiveDays: at the first failure after five days that were seen without a success, and not before. A row says after which
// waits the webhook fails; the last of them disables it, or none does.
func TestDisabledAfterFiveDays(t *testing.T) {
	t.Parallel()
	every := func(n int, wait time.Duration) []time.Duration {
		waits := make([]time.Duration, n+1) // the first failure is at once
		for i := range n {
			waits[i+1] = wait
		}
		return waits
	}
	bad := Outcome{Status: 500, Class: ports.ClassStatus}
	rows := map[string]struct {
		waits   []time.Duration
		outcome Outcome
		want    bool
	}{
		"one failure":                              {every(0, 0), bad, false},
		"each hour":                                {every(120, time.Hour), bad, true},
		"each minute":                              {every(5*24*60, time.Minute), bad, true},
		"a millisecond less":                       {append(every(119, time.Hour), time.Hour-time.Millisecond), bad, false},
		"exactly":                                  {append(every(4, day), day), bad, true},
		"the clock goes five days forward":         {[]time.Duration{0, time.Hour, 5 * day}, bad, false},
		"and forward again and again":              {[]time.Duration{0, 50 * day, 50 * day, 50 * day, 50 * day}, bad, false},
		"five times":                               {every(5, 50*day), bad, true}, // each counts for 26h24m
		"the clock stands still for an hour":       {append(every(60, time.Hour), append([]time.Duration{0, 0}, every(59, time.Hour)...)...), bad, false},
		"the engine stops for a week":              {[]time.Duration{0, noon, 7 * day, noon, noon}, bad, false},
		"a schedule of seven days":                 {every(4, 7*day), bad, false},
		"our own faults":                           {every(200, time.Hour), Outcome{Class: ports.ClassInternal}, false},
		"faults of the proxy":                      {every(200, time.Hour), Outcome{Class: ports.ClassProxy}, false},
		"calls that were not made":                 {every(200, time.Hour), Outcome{Class: ports.ClassBlocked}, false},
		"redirects are failures":                   {every(120, time.Hour), Outcome{Status: 301, Class: ports.ClassRedirect}, true},
		"names that do not resolve are failures":   {every(120, time.Hour), Outcome{Class: ports.ClassDNS}, true},
		"answers that do not come are failures":    {every(5, day), Outcome{Class: ports.ClassTimeout}, true},
		"one that fails once in a month is called": {every(4, 30*day), bad, false},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["x"],"schedule":[]}`)
			for i, wait := range r.waits {
				w.now = w.now.Add(wait)
				disabled := w.fails(r.outcome)
				if last := i == len(r.waits)-1; disabled != (last && r.want) {
					t.Fatalf("failure %d of %d disables the webhook: %v", i+1, len(r.waits), disabled)
				}
			}
		})
	}
}

// fails publishes a message, judges its call by an outcome, and tells whether that disables the webhook, wh_1 of company 42.
func (w *world) fails(o Outcome) bool {
	w.t.Helper()
	m := NewMessage{Company: "42", EventType: "x", Data: []byte("1")}
	d, _, err := Publish(w.state, w, w.now, m, Routing{Webhooks: w.registered("42")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.record(d)
	o.Company, o.Call, o.Attempt, o.Lease, o.Epoch = "42", w.calls[len(w.calls)-1].id, 1, 1, 1
	if d, err = Judge(w.state, w, w.now, o, 0, DefaultDisableAfter); err != nil {
		w.t.Fatal(err)
	}
	disabled := false
	for _, r := range w.record(d) {
		if e, ok := r.Event.(WebhookDisabled); ok {
			disabled = true
			if want := "no success in 120h of attempts"; e.Reason != want {
				w.t.Errorf("the reason is %q, want %q", e.Reason, want)
			}
		}
	}
	w.flush()
	return disabled
}

// TestFailingBeginsAnew: a success ends it, and so does a disabling, whatever comes in late.
func TestFailingBeginsAnew(t *testing.T) {
	t.Parallel()
	bad, ok := Outcome{Status: 500, Class: ports.ClassStatus}, Outcome{Status: 200}
	for _, begins := range []string{"a success", "disabled and enabled"} {
		t.Run(begins, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["x"],"schedule":["1h"]}`)
			for range 5 {
				w.fails(bad)
				w.now = w.now.Add(day - time.Second)
			}
			if begins == "a success" {
				w.fails(ok)
			} else {
				w.script(`disable {"company":"42","id":"wh_1"}
					judge {"company":"42","call":"call_5","attempt":2,"lease":1,"epoch":1,"class":"status","status":500}
					enable {"company":"42","id":"wh_1"}`)
			}
			row, err := w.state.webhook("42", "wh_1")
			if err != nil || row.Failing != nil {
				t.Fatalf("it is said to fail since %+v, %v", row.Failing, err)
			}
			if w.now = w.now.Add(day); w.fails(bad) {
				t.Error("its first failure disables it")
			}
		})
	}
}

// TestFailingCostsOneWriteAnHour: of many failures only one an hour changes the webhook's row.
func TestFailingCostsOneWriteAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["x"],"schedule":[]}`)
	changes, before := 0, ""
	for range 181 { // three hours of minutes, from the first to the last
		w.fails(Outcome{Status: 500, Class: ports.ClassStatus})
		if now := string(w.rows[string(WebhookKey("42", "wh_1"))]); now != before {
			changes, before = changes+1, now
		}
		w.now = w.now.Add(time.Minute)
	}
	if changes != 4 {
		t.Errorf("the row was written %d times, want 4", changes)
	}
}

// TestLogsFromBeforeFoldTheSame: the events of an earlier version noted nothing of webhooks, and their rows say nothing now either.
func TestLogsFromBeforeFoldTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(published)
	before := string(w.rows[string(WebhookKey("42", "wh_1"))])
	w.script(`CallAttempted {"call":"call_1","company":"42","attempt":1,"lease":1,"epoch":1,"class":"status","status":500}
		CallFailed {"call":"call_1","company":"42","reason":"schedule used up"}`)
	if after := string(w.rows[string(WebhookKey("42", "wh_1"))]); after != before {
		t.Errorf("the webhook's row is %s, it was %s", readable([]byte(after)), readable([]byte(before)))
	}
}
