package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestErrorTexts holds the texts of what is refused before a state is read; those that need one stand in the stories. Each has three
// parts: what was refused with the value, why, what to do.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	const control = "a\x00\x1b[31m"
	webhook := func(change func(n *NewWebhook)) error {
		n := NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}}
		change(&n)
		_, err := n.Check(DefaultPolicy())
		return err
	}
	url := func(u string) error { return webhook(func(n *NewWebhook) { n.URL = u }) }
	headers := func(h map[string]string) error { return webhook(func(n *NewWebhook) { n.Headers = h }) }
	message := func(change func(n *NewMessage)) error {
		n := NewMessage{Company: "42", EventType: "x", Data: json.RawMessage("1")}
		change(&n)
		_, err := n.Check()
		return err
	}
	candidate := func(change func(n *NewCandidate)) error {
		n := NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"}
		change(&n)
		_, err := n.Check()
		return err
	}
	_, edit := UpdateCandidate("42", "cand_1", nil)
	_, job := ApplyForJob("42", "cand_1", "")
	_, state := ChangeCandidateState("42", "cand_1", control)
	errs := []error{
		webhook(func(n *NewWebhook) { n.Company = "" }),
		webhook(func(n *NewWebhook) { n.Company = long(129) }),
		webhook(func(n *NewWebhook) { n.Company = control }),
		webhook(func(n *NewWebhook) { n.IdempotencyKey = long(256) }),
		url(""), url("https://a.example/" + long(2100)), url(control), url("ftp://a.example/"), url("https:///hook"),
		url("https://user:hunter2@a.example/"), url("ftp://user:hunter2@"), url("https://a.example/#x"),
		webhook(func(n *NewWebhook) { n.EventTypes = nil }),
		webhook(func(n *NewWebhook) { n.EventTypes = []string{"a b"} }),
		webhook(func(n *NewWebhook) { n.Schedule = slices.Repeat([]time.Duration{1}, 33) }),
		webhook(func(n *NewWebhook) { n.Schedule = []time.Duration{-time.Second} }),
		webhook(func(n *NewWebhook) { n.Timeout = 2 * time.Minute }),
		webhook(func(n *NewWebhook) { n.Description = control }),
		webhook(func(n *NewWebhook) { n.Filter = long(1025) }),
		webhook(func(n *NewWebhook) { n.Filter, n.EventTypes = "true", []string{"x", "call.*"} }),
		webhook(func(n *NewWebhook) { n.MaxAge = time.Second - 1 }),
		webhook(func(n *NewWebhook) { n.MaxAge = maxAge + 1 }),
		webhook(func(n *NewWebhook) { n.InFlight = -1 }),
		webhook(func(n *NewWebhook) { n.InFlight = 65 }),
		webhook(func(n *NewWebhook) { n.Rate = -1 }),
		webhook(func(n *NewWebhook) { n.Rate = 0.009 }),
		webhook(func(n *NewWebhook) { n.Rate = 10_001 }),
		webhook(func(n *NewWebhook) { n.Rate = math.NaN() }),
		webhook(func(n *NewWebhook) { n.Metadata = pairsOf(17) }),
		webhook(func(n *NewWebhook) { n.Metadata = map[string]string{"": "v"} }),
		webhook(func(n *NewWebhook) { n.Metadata = map[string]string{long(65): "v"} }),
		webhook(func(n *NewWebhook) { n.Metadata = map[string]string{"k": long(257)} }),
		webhook(func(n *NewWebhook) { n.Secret = "whsec_hunter2" }),
		headers(pairsOf(17)), headers(map[string]string{"a b": "v"}), headers(map[string]string{long(65): "v"}),
		headers(map[string]string{"Host": "v"}), headers(map[string]string{"Webhook-Id": "v"}), headers(map[string]string{"User-Agent": "v"}),
		headers(map[string]string{"X-A": "1", "x-a": "2"}), headers(map[string]string{"X-A": "hunter2\r\nHost: b"}),
		headers(map[string]string{"X-A": " hunter2"}), headers(map[string]string{"X-A": long(1025)}), headers(map[string]string{"X-A": "é"}),
		headers(map[string]string{"X-Key": Masked}),
		headers(map[string]string{"A": long(1024), "B": long(1024), "C": long(1024), "D": long(1024)}),
		message(func(n *NewMessage) { n.EventType = "a.*" }),
		message(func(n *NewMessage) { n.EventType = TypeWebhookDisabled }),
		message(func(n *NewMessage) { n.Data = nil }),
		message(func(n *NewMessage) { n.Data = []byte("\"" + long(MaxData) + "\"") }),
		message(func(n *NewMessage) { n.Data = []byte("{not json") }),
		message(func(n *NewMessage) { n.Data = []byte("\"\xff\"") }),
		message(func(n *NewMessage) { n.ResourceID = "cand_1" }),
		candidate(func(n *NewCandidate) { n.Email = control }),
		candidate(func(n *NewCandidate) { n.FirstName = "" }),
		candidate(func(n *NewCandidate) { n.LastName = long(257) }),
		candidate(func(n *NewCandidate) { n.Fields = map[string]any{"cv": long(maxProfile)} }),
		edit, job, state,
	}
	var out strings.Builder
	for i, err := range errs {
		var invalid *InvalidError
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 {
			t.Fatalf("error %d is %v, want one problem", i, err)
		}
		p := invalid.Problems[0]
		if parts := strings.FieldsFunc(p.Text, func(r rune) bool { return r == ';' || r == ':' }); len(parts) < 3 {
			t.Errorf("%q has not three parts", p.Text)
		}
		if strings.Contains(p.Text, "hunter2") || !printable(p.Text) || len(p.Text) > 300 {
			t.Errorf("%q holds a secret or control characters, or is too long", p.Text)
		}
		fmt.Fprintf(&out, "%s: %s\n", p.Field, p.Text)
	}
	golden(t, "errors.golden", out.String())

	both := webhook(func(n *NewWebhook) { n.URL, n.EventTypes = "", nil })
	if want := "invalid: no url was given"; both == nil || !strings.HasPrefix(both.Error(), want) || !strings.Contains(both.Error(), "; 0 event types were given") {
		t.Errorf("two problems are written %v", both)
	}
}

// pairsOf returns n pairs.
func pairsOf(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("k%d", i)] = "v"
	}
	return out
}

// TestSettingsAtTheirLimits: what stands at a limit is taken.
func TestSettingsAtTheirLimits(t *testing.T) {
	t.Parallel()
	least := NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}, MaxAge: minAge, InFlight: 1, Rate: minRate, Timeout: minTimeout}
	most := NewWebhook{
		Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}, Filter: long(maxFilter), MaxAge: maxAge, InFlight: MaxInFlight, Rate: maxRate,
		Timeout: maxTimeout, Metadata: map[string]string{long(maxMetaKey): long(maxMetaValue)},
		Headers: map[string]string{"A": long(1023), "B": long(1023), "C": long(1023), "D": long(1023)},
	}
	for _, n := range []NewWebhook{least, most} {
		if _, err := n.Check(DefaultPolicy()); err != nil {
			t.Error(err)
		}
	}
	if _, err := (NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}, Metadata: pairsOf(16), Headers: pairsOf(16)}).Check(DefaultPolicy()); err != nil {
		t.Error(err)
	}
}

// TestDefaultsOfTheServer: who asks for nothing gets them, but for the seed's webhooks, whose three attempts are a contract.
func TestDefaultsOfTheServer(t *testing.T) {
	t.Parallel()
	def := Policy{Schedule: []time.Duration{time.Hour}, Timeout: 3 * time.Second, MaxAge: time.Minute, InFlight: 2, Rate: 5}
	n := NewWebhook{Company: "42", URL: "https://a.example/", EventTypes: []string{"*"}}
	w, err := n.Check(def)
	if err != nil || w.MaxAge != Duration(time.Minute) || w.InFlight != 2 || w.Rate != 5 || w.Timeout != Duration(3*time.Second) || len(w.Schedule) != 1 {
		t.Errorf("a webhook gets %+v, %v", w.Settings, err)
	}
	n.Seed = true
	if w, err = n.Check(def); err != nil || w.MaxAge != 0 || !slices.Equal(w.Schedule, durations(SeedSchedule())) {
		t.Errorf("a webhook of the seed gets %+v, %v", w.Settings, err)
	}
	if err := (Policy{Timeout: time.Millisecond}).Check(); err == nil {
		t.Error("a default timeout of a millisecond is taken")
	}
}
