package sender

import (
	"testing"

	"posthorn/harness"
)

func TestSend(t *testing.T) {
	const secret = "whsec_dGhlIHNlbmRlcidzIG93bg=="
	receiver := harness.NewReceiver(t, harness.Options{Secret: secret})
	receiver.Reply(harness.Reply{Status: 500}) // to the first attempt; then 204
	receiver.ExpectInOrder("msg_1", "msg_2", "msg_3")

	if err := Send(receiver.URL(), secret, "msg_1", "msg_2", "msg_3"); err != nil {
		t.Error(err)
	}
} // the receiver judges here
