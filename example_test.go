package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"posthorn"
	"posthorn/adapters/httpapi"
	"posthorn/harness"
)

// A program embeds the engine: it opens a directory, registers a webhook, and says what happened.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "posthorn")
	check(err)
	defer func() { _ = os.RemoveAll(dir) }()
	receiver, err := harness.Start(ctx, harness.Options{}) // the other system
	check(err)
	defer func() { _ = receiver.Close() }()
	receiver.Reply(harness.Reply{Status: http.StatusInternalServerError}) // once, then 204

	ph, err := posthorn.Open(ctx, posthorn.Options{Dir: dir, AllowTargets: []string{"127.0.0.1"}})
	check(err)
	defer func() { _ = ph.Close() }() // Shutdown(ctx) lets attempts under way finish first

	wh, err := ph.RegisterWebhook(ctx, posthorn.NewWebhook{
		Company: "42", URL: receiver.URL() + "/hook", EventTypes: []string{"invoice.*", "candidate.created"},
		Schedule: []time.Duration{}, // a single attempt; nil means retries over three days
	})
	check(err)
	check(receiver.SetSecret(wh.Secret)) // the receiver verifies with it; it is not shown again

	paid := posthorn.NewMessage{
		Company: "42", EventType: "invoice.paid", Data: json.RawMessage(`{"invoice":7}`), IdempotencyKey: "inv-7",
	}
	msg, err := ph.Publish(ctx, paid)
	check(err)
	same, err := ph.Publish(ctx, paid) // safe to repeat
	check(err)
	fmt.Println("published once:", same.ID == msg.ID)

	seq := follow(ctx, ph, 0, "CallFailed")
	for call, err := range ph.Calls(ctx, posthorn.CallQuery{Company: "42", State: posthorn.Failed}) {
		check(err)
		fmt.Println(call.EventType, call.State, call.LastStatus, call.Reason)
		again, err := ph.Retry(ctx, call.ID) // a new call with the same message id
		check(err)
		fmt.Println("retried:", again.Message == msg.ID)
	}
	seq = follow(ctx, ph, seq, "CallSucceeded")

	_, err = ph.CreateCandidate(ctx, posthorn.NewCandidate{
		Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace",
	})
	check(err)
	follow(ctx, ph, seq, "CallSucceeded")
	fmt.Println("verified deliveries:", receiver.Account().Verified)

	// The whole API under a prefix of the program's own mux, with its own authorization.
	mine := func(r *http.Request) (httpapi.Access, error) {
		if r.Header.Get("Authorization") != "Bearer mine" {
			return httpapi.Access{}, errors.New("who are you?")
		}
		return httpapi.Access{Key: "ada", Company: "42"}, nil // sees company 42 alone
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/", http.StripPrefix("/hooks", httpapi.Handler(ph, httpapi.Options{Authorize: mine})))
	for _, key := range []string{"mine", "yours"} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/hooks/v1/companies/42/calls?state=succeeded", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println("GET /hooks/v1/companies/42/calls:", w.Code)
	}
	// Output:
	// published once: true
	// invoice.paid failed 500 schedule used up
	// retried: true
	// verified deliveries: 3
	// GET /hooks/v1/companies/42/calls: 200
	// GET /hooks/v1/companies/42/calls: 401
}

// follow prints nothing and returns the seq of the next event of a type: those after seq that have happened, and then live ones.
func follow(ctx context.Context, ph *posthorn.Posthorn, seq uint64, eventType string) uint64 {
	for ev, err := range ph.Follow(ctx, seq) {
		check(err)
		if ev.Type == eventType {
			return ev.Seq
		}
	}
	panic("the engine has stopped")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Errors are told apart by the sentinels, and by InvalidError, which names each refused field.
func Example_errors() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "posthorn")
	check(err)
	defer func() { _ = os.RemoveAll(dir) }()
	ph, err := posthorn.Open(ctx, posthorn.Options{Dir: dir})
	check(err)
	defer func() { _ = ph.Close() }()

	_, err = ph.Call(ctx, "42", "call_that_never_was")
	fmt.Println(errors.Is(err, posthorn.ErrNotFound))

	_, err = ph.CreateCandidate(ctx, posthorn.NewCandidate{Company: "42", Email: "ada", FirstName: "Ada", LastName: "Lovelace"})
	if inv, ok := errors.AsType[*posthorn.InvalidError](err); ok {
		for _, p := range inv.Problems {
			fmt.Println(p.Field+":", p.Text)
		}
	}

	_, err = posthorn.Open(ctx, posthorn.Options{Dir: dir})
	fmt.Println(errors.Is(err, posthorn.ErrLocked))
	// Output:
	// true
	// email: Required field email not found or invalid: "ada"; give an address such as ada@example.com
	// true
}

// A webhook is called on its own terms, tried with a test call, and gets a new secret beside the old one.
func Example_policy() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "posthorn")
	check(err)
	defer func() { _ = os.RemoveAll(dir) }()
	receiver, err := harness.Start(ctx, harness.Options{})
	check(err)
	defer func() { _ = receiver.Close() }()
	ph, err := posthorn.Open(ctx, posthorn.Options{
		Dir: dir, AllowTargets: []string{"127.0.0.1"}, Defaults: posthorn.Policy{MaxAge: 48 * time.Hour}, DisableAfter: 72 * time.Hour,
	})
	check(err)
	defer func() { _ = ph.Close() }()

	wh, err := ph.RegisterWebhook(ctx, posthorn.NewWebhook{
		Company: "42", URL: receiver.URL(), EventTypes: []string{"invoice.*"}, Filter: "data.amount > 100", Sequential: true, Rate: 50,
		Headers: map[string]string{"X-Tenant": "acme", "Authorization": "Bearer sesame"},
	})
	check(err)
	fmt.Println(wh.MaxAge, wh.Headers["X-Tenant"], wh.Headers["Authorization"])

	call, err := ph.TestWebhook(ctx, wh.Company, wh.ID) // past filter and event types
	check(err)
	fmt.Println(call.EventType, call.State, call.Attempts[0].Status)

	for _, amount := range []int{7, 700} {
		msg, err := ph.Publish(ctx, posthorn.NewMessage{
			Company: "42", EventType: "invoice.paid", Data: json.RawMessage(fmt.Sprintf(`{"amount":%d}`, amount)),
		})
		check(err)
		fmt.Println("an invoice of", amount, "makes", msg.Calls, "calls")
	}

	rotated, err := ph.RotateSecret(ctx, posthorn.Rotation{Company: wh.Company, ID: wh.ID})
	check(err)
	fmt.Println("old secrets that sign too:", len(rotated.OldSecrets))
	// Output:
	// 48h acme ********
	// webhook.test succeeded 204
	// an invoice of 7 makes 0 calls
	// an invoice of 700 makes 1 calls
	// old secrets that sign too: 1
}
