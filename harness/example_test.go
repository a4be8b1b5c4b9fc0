package harness_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"posthorn/harness"
)

// Outside tests, Start makes a receiver for any sender of webhooks.
func ExampleStart() {
	ctx := context.Background()
	receiver, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = receiver.Close() }()
	receiver.Reply(harness.Reply{Status: http.StatusInternalServerError}) // then 204

	for range 2 { // the sender: it tries again after the 500
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, receiver.URL()+"/hook", strings.NewReader(`{"n":1}`))
		req.Header.Set("webhook-id", "msg_1")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			fmt.Println(resp.Status)
			_ = resp.Body.Close()
		}
	}
	if err := receiver.AwaitID(ctx, "msg_1", 2); err != nil {
		fmt.Println(err)
	}
	fmt.Println(receiver.Account("msg_1", "msg_2"))
	// Output:
	// 500 Internal Server Error
	// 204 No Content
	// 2 deliveries: 1 unique, 1 retries, 0 duplicates, 0 unnamed; 0 verified, 0 bad, 2 unchecked; of 2 expected ids 1 lost, 0 late, 0 others came
	//   lost: msg_2
}

// A sender that goes on after what it must not send proves that it never sent it: wait for a later message, then look. No time has to
// pass for nothing to come, and a slow machine cannot make the proof wrong.
func ExampleEndpoint_AwaitID() {
	ctx := context.Background()
	receiver, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = receiver.Close() }()

	hook := receiver.Endpoint("/hook")
	for _, id := range []string{"msg_1", "msg_3"} { // the sender: it is to skip msg_2
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL(), http.NoBody)
		req.Header.Set("webhook-id", id)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	if err := hook.AwaitID(ctx, "msg_3", 1); err != nil { // the later positive
		fmt.Println(err)
	}
	fmt.Println("lost:", hook.Account("msg_2").Lost)
	// Output: lost: [msg_2]
}

// A sender of another kind: its id is in the body, and it signs as GitHub does.
func ExampleReceiver_SetHMAC() {
	ctx := context.Background()
	receiver, err := harness.Start(ctx, harness.Options{ID: harness.IDPointer("/order/number")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = receiver.Close() }()
	err = receiver.SetHMAC(harness.HMAC{Secret: "shared", Header: "X-Hub-Signature-256", Prefix: "sha256="})
	if err != nil {
		fmt.Println(err)
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, receiver.URL(), strings.NewReader(`{"order":{"number":7}}`))
	req.Header.Set("X-Hub-Signature-256", "sha256=00")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	fmt.Println(receiver.Deliveries()[0])
	// Output: #1 POST / id "7", signature wrong: X-Hub-Signature-256 does not match the body
}
