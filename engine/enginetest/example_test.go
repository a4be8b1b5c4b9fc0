package enginetest_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"posthorn"
	"posthorn/engine/enginetest"
	"posthorn/harness"
)

// testInvoicePaid tests a program that embeds the engine, with the whole of it and a receiver that fails first.
func testInvoicePaid(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ph, receiver := enginetest.New(t), harness.NewReceiver(t)
	receiver.Reply(harness.Reply{Status: 500}) // to the first attempt; then 204

	wh, err := ph.RegisterWebhook(ctx, posthorn.NewWebhook{Company: "42", URL: receiver.URL(), EventTypes: []string{"invoice.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.SetSecret(wh.Secret); err != nil {
		t.Fatal(err)
	}
	msg, err := ph.Publish(ctx, posthorn.NewMessage{Company: "42", EventType: "invoice.paid", Data: json.RawMessage(`{"invoice":7}`)})
	if err != nil {
		t.Fatal(err)
	}
	receiver.Expect(msg.ID)
	if err := receiver.AwaitID(ctx, msg.ID, 2); err != nil { // the failed attempt, and the one that succeeds
		t.Error(err)
	}
	enginetest.Await(ctx, t, ph, 0, "CallSucceeded")
}

// A test of a program that embeds the engine.
func Example() {
	_ = testing.InternalTest{Name: "TestInvoicePaid", F: testInvoicePaid} // run by TestExample
	// Output:
}
