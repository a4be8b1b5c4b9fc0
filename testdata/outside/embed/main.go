// Command embed is a stranger's program with the engine inside: it registers a webhook, creates a candidate, and is told of it at an
// HTTP server of its own, which checks the signature by the text of the standard.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"posthorn"
)

func main() {
	dir, err := os.MkdirTemp("", "embed")
	if err == nil {
		err = errors.Join(run(dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A request is what came to the receiver.
type request struct {
	header http.Header
	body   []byte
}

func run(dir string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	came := make(chan request, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- request{r.Header, body}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	ph, err := posthorn.Open(ctx, posthorn.Options{Dir: dir, AllowTargets: []string{"127.0.0.1", "::1"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ph.Shutdown(ctx)) }()
	wh, err := ph.RegisterWebhook(ctx, posthorn.NewWebhook{Company: "42", URL: server.URL, EventTypes: []string{"candidate.*"}})
	if err != nil {
		return err
	}
	cand, err := ph.CreateCandidate(ctx, posthorn.NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"})
	if err != nil {
		return err
	}
	select {
	case r := <-came:
		if err := check(r, wh.Secret, cand.ID); err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("nothing came: %w", ctx.Err())
	}
	return history(ctx, ph)
}

// check verifies the request as https://www.standardwebhooks.com says.
func check(r request, secret, id string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.header.Get("webhook-id"), r.header.Get("webhook-timestamp"), r.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := r.header.Get("webhook-signature"); got != want {
		return fmt.Errorf("the signature is %q, want %q", got, want)
	}
	var body struct {
		ResourceID string `json:"resourceId"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil || body.ResourceID != id {
		return fmt.Errorf("the body is %s, want the resource %s: %w", r.body, id, err)
	}
	fmt.Println("came, signed")
	return nil
}

// history waits for the end of the call and prints the company's history.
func history(ctx context.Context, ph *posthorn.Posthorn) error {
	for ev, err := range ph.Follow(ctx, 0) {
		if err != nil {
			return err
		}
		if ev.Type == "CallSucceeded" {
			break
		}
	}
	for call, err := range ph.Calls(ctx, posthorn.CallQuery{Company: "42"}) {
		if err != nil {
			return err
		}
		fmt.Println(call.EventType, call.State, call.LastStatus)
	}
	return ctx.Err()
}
