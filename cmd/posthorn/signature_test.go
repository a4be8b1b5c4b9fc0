package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// FuzzSignatureVerify: whatever the headers hold, nothing is taken that the reference library of the standard refuses.
func FuzzSignatureVerify(f *testing.F) {
	const secret, vector = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	const id, stamp, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`
	for _, list := range []string{vector, "v1a,x " + vector, "", "v1,", "v2," + vector, vector + " " + vector, "\t" + vector + "\n"} {
		f.Add(id, stamp, list, []byte(body))
	}
	f.Add(id, "today", vector, []byte(body))
	f.Add(id, "-9223372036854775808", vector, []byte(body))
	reference, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, stamp, list string, body []byte) {
		found, err := signedHeaders{id, stamp, list}.verify([]string{secret}, body, time.Unix(1614265330, 0), 0)
		if (err == nil) == (found == "") {
			t.Fatalf("found %q and %v", found, err)
		}
		own, signErr := reference.Sign(id, time.Unix(mustSeconds(stamp), 0), body)
		if signErr != nil {
			t.Fatal(signErr)
		}
		header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {list}}
		if refused := reference.VerifyIgnoringTimestamp(body, header); err == nil && refused != nil && id != "" {
			t.Fatalf("taken (%s), and refused by the reference: %v", found, refused)
		}
		canonical := strconv.FormatInt(mustSeconds(stamp), 10) == stamp
		if _, err := (signedHeaders{id, stamp, own}).verify([]string{secret}, body, time.Now(), 0); canonical && err != nil {
			t.Fatalf("what the reference signs is refused: %v", err)
		}
	})
}

// mustSeconds is 0 for what is no number.
func mustSeconds(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
