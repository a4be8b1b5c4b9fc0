package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"posthorn/harness"
)

// A story is what the demonstration has told so far. It speaks to the engine over HTTP alone, as any client does.
type story struct {
	out      io.Writer
	service  *service
	receiver *harness.Receiver
	// transport is the URL that the engine was given.
	transport string

	chapter   int
	seen      int    // deliveries shown
	eventsAt  uint64 // events waited for
	candidate string
	message   string
	err       error // the first write that failed
}

func (t *story) say(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.out, "\n"+format+"\n", args...)
	}
}

func (t *story) title(text string) {
	t.chapter++
	t.say("%d. %s", t.chapter, text)
}

func (t *story) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.out, "   "+format+"\n", args...)
	}
}

func (t *story) register(ctx context.Context) error {
	t.title("Company 42 wants to hear of candidate.created: it registers a webhook.")
	var got struct{ Data struct{ Token string } }
	body := fmt.Sprintf(`{"companyId":"42","url":"%s/hook","eventType":"candidate.created"}`, t.receiver.URL())
	if err := t.exchange(ctx, http.MethodPost, "/webhooks", body, &got); err != nil {
		return err
	}
	return t.receiver.Endpoint("/hook").SetSecret(got.Data.Token)
}

func (t *story) create(ctx context.Context) error {
	t.title("A candidate is created. The 200 says that it and the call that follows are on disk.")
	var got struct{ Data struct{ ID string } }
	body := `{"companyId":"42","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace","location":"London"}`
	if err := t.exchange(ctx, http.MethodPost, "/candidates", body, &got); err != nil {
		return err
	}
	t.candidate = got.Data.ID
	return nil
}

func (t *story) arrive(ctx context.Context) error {
	t.title("The receiver is called, and verifies the token in the body and the Standard Webhooks signature in the headers.")
	return t.deliveries(ctx, 1, func(d harness.Delivery) error {
		if d.Signature.Result != harness.Valid || d.Token.Result != harness.Valid || !bytes.Contains(d.Body, []byte(t.candidate)) {
			return fmt.Errorf("delivery %v is refused: both signatures must be valid, and the body name %s", d, t.candidate)
		}
		t.line("%s", d.Body)
		return nil
	})
}

func (t *story) history(ctx context.Context) error {
	t.title("The history has the call.")
	if err := t.succeeded(ctx); err != nil {
		return err
	}
	var got struct{ Data []struct{ Status string } }
	if err := t.exchange(ctx, http.MethodGet, "/webhook_history/42", "", &got); err != nil {
		return err
	}
	if len(got.Data) != 1 || got.Data[0].Status != "success" {
		return fmt.Errorf("the history is refused: it should hold one call with status success, not %v", got.Data)
	}
	return nil
}

func (t *story) registerFlaky(ctx context.Context) error {
	t.title("Another webhook, for invoice.* by /v1, with short waits between attempts. Its receiver will answer 500 twice.")
	flaky := t.receiver.Endpoint("/flaky")
	flaky.Reply(harness.Reply{Status: http.StatusInternalServerError, Times: 2})
	var got struct{ Secret string }
	body := fmt.Sprintf(`{"url":"%s/flaky","eventTypes":["invoice.*"],"schedule":["300ms","600ms"]}`, t.receiver.URL())
	if err := t.exchange(ctx, http.MethodPost, "/v1/companies/42/webhooks", body, &got); err != nil {
		return err
	}
	return flaky.SetSecret(got.Secret)
}

func (t *story) publish(ctx context.Context) error {
	t.title("A message is published.")
	var got struct{ ID string }
	err := t.exchange(ctx, http.MethodPost, "/v1/companies/42/messages", `{"eventType":"invoice.paid","data":{"number":"2026-1"}}`, &got)
	t.message = got.ID
	return err
}

func (t *story) retried(ctx context.Context) error {
	t.title("It is tried again until it is taken: the same id and bytes each time.")
	return t.deliveries(ctx, 3, func(d harness.Delivery) error {
		if d.Signature.Result != harness.Valid || d.ID != t.message {
			return fmt.Errorf("delivery %v is refused: it must be of message %s, with a valid signature", d, t.message)
		}
		return nil
	})
}

func (t *story) attempts(ctx context.Context) error {
	t.title("The call keeps every attempt.")
	if err := t.succeeded(ctx); err != nil {
		return err
	}
	var got struct {
		Data []struct {
			ID           string
			State        string
			AttemptCount int
		}
	}
	if err := t.exchange(ctx, http.MethodGet, "/v1/companies/42/calls?eventType=invoice.paid", "", &got); err != nil {
		return err
	}
	if len(got.Data) != 1 || got.Data[0].State != "succeeded" || got.Data[0].AttemptCount != 3 {
		return fmt.Errorf("the call is refused: it should have succeeded after 3 attempts, not %+v", got.Data)
	}
	return t.each(ctx, got.Data[0].ID)
}

// each shows the attempts of a call, without the rest of what is known of it.
func (t *story) each(ctx context.Context, call string) error {
	var got struct {
		Attempts []struct {
			Attempt   int    `json:"attempt"`
			Status    int    `json:"status"`
			TookMS    int    `json:"tookMs"`
			StartedAt string `json:"startedAt"`
		} `json:"attempts"`
	}
	raw, err := t.fetch(ctx, http.MethodGet, "/v1/companies/42/calls/"+call, "")
	if err := errors.Join(err, json.Unmarshal(raw, &got)); err != nil {
		return err
	}
	for _, a := range got.Attempts {
		t.line("attempt %d  %s  answered %d after %d ms", a.Attempt, a.StartedAt, a.Status, a.TookMS)
	}
	return t.err
}

// deliveries waits for the next n and shows them.
func (t *story) deliveries(ctx context.Context, n int, check func(harness.Delivery) error) error {
	until := t.seen + n
	return watch(ctx, t.receiver, t.seen, func(d harness.Delivery) (bool, error) {
		t.arrived(d)
		return d.N < until, errors.Join(check(d), t.err)
	})
}

func (t *story) arrived(d harness.Delivery) {
	t.seen = d.N
	t.line("%s  %v, answered %d", d.At.Format("15:04:05.000"), d, d.Status)
}

// succeeded waits until the engine has recorded that one more call succeeded: the receiver knows it first.
func (t *story) succeeded(ctx context.Context) error {
	for event, err := range t.service.engine.Follow(ctx, t.eventsAt) {
		if err != nil {
			return err
		}
		t.eventsAt = event.Seq
		if event.Type == "CallSucceeded" {
			return nil
		}
	}
	return fmt.Errorf("no call was recorded as succeeded: %w", context.Cause(ctx))
}

// exchange makes a request, shows both sides of it, and decodes the answer.
func (t *story) exchange(ctx context.Context, method, path, body string, into any) error {
	raw, err := t.fetch(ctx, method, path, body)
	if err != nil {
		return err
	}
	t.line("< %s", secretText.ReplaceAll(bytes.TrimSpace(raw), []byte("whsec_...")))
	return errors.Join(t.err, json.Unmarshal(raw, into))
}

// secretText is a webhook's secret in an answer; it is not shown, for screens are shared.
var secretText = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)

// fetch makes a request and returns the answer's body. Anything but a 2xx is an error.
func (t *story) fetch(ctx context.Context, method, path, body string) ([]byte, error) {
	t.line("%s", strings.TrimSpace(fmt.Sprintf("> %s %s %s", method, path, body)))
	req, err := http.NewRequestWithContext(ctx, method, t.service.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s was answered %s: %.300s", method, path, resp.Status, raw)
	}
	return raw, nil
}
