package core

import (
	"encoding/json"
	"errors"
	"fmt"
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
		message(func(n *NewMessage) { n.EventType = "a.*" }),
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
