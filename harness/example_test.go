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
	// 2 deliveries: 1 unique, 1 retries, 0 duplicates, 0 unnamed; 0 verified, 0 bad, 2 unchecked; of 2 expected ids 1 lost, 0 others came
	//   lost: msg_2
}
