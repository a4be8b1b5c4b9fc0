package receive

import (
	"encoding/base64"
	"net/http"
	"testing"

	"posthorn/harness"
)

func TestSend(t *testing.T) {
	key := []byte("a key of the sender's own")
	receiver := harness.NewReceiver(t, harness.Options{Secret: "whsec_" + base64.StdEncoding.EncodeToString(key)})
	ok, broken, down := receiver.Endpoint("/ok"), receiver.Endpoint("/broken"), receiver.Endpoint("/down")
	broken.Reply(harness.Reply{Status: http.StatusInternalServerError}, harness.Reply{Fault: harness.Reset})
	down.Reply(harness.Reply{Status: http.StatusServiceUnavailable, Keep: true})

	for _, e := range []*harness.Endpoint{ok, broken} {
		if err := Send(t.Context(), e.URL(), "msg_1", `{"n":1}`, key); err != nil {
			t.Error(err)
		}
	}
	if err := Send(t.Context(), down.URL(), "msg_2", `{"n":2}`, key); err == nil {
		t.Error("Send says that it reached a receiver that was down")
	}
	for e, want := range map[*harness.Endpoint]int{ok: 1, broken: 3, down: 3} {
		if a := e.Account(); a.Deliveries != want || a.Verified != want || a.Unique != 1 || a.Duplicates != 0 {
			t.Errorf("%s: want %d verified attempts at one message: %v", e.URL(), want, a)
		}
	}
}

// A test's receiver fails the test when a signature is wrong, so this one is asked outside of a test.
func TestSendWithAnotherKey(t *testing.T) {
	receiver, err := harness.Start(t.Context(), harness.Options{Secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("mine"))})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	if err := Send(t.Context(), receiver.URL(), "msg_1", `{"n":1}`, []byte("yours")); err != nil {
		t.Error(err)
	}
	if a := receiver.Account(); a.Bad != 1 || a.BadDeliveries[0].Signature.Result != harness.Wrong {
		t.Errorf("want one delivery with a wrong signature: %v", a)
	}
}
