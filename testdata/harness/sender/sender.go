// Package sender stands for any program that sends webhooks: it knows nothing of the harness, nor of the engine.
package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Send posts a message for each id, signs it as Standard Webhooks says, and tries once more what was not taken.
func Send(url, secret string, ids ...string) error {
	fault := os.Getenv("SENDER_FAULT") // what to do wrong with the second message
	if fault == "reorder" {
		slices.Reverse(ids[1:])
	}
	for i, id := range ids {
		times, key := 1, secret
		if i == 1 {
			switch fault {
			case "drop":
				times = 0
			case "duplicate":
				times = 2
			case "mis-sign":
				key = "whsec_YW5vdGhlcg=="
			}
		}
		for range times {
			if err := send(url, key, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func send(url, secret, id string) error {
	body := fmt.Sprintf(`{"id":%q}`, id)
	status := ""
	for range 2 {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		stamp := fmt.Sprint(time.Now().Unix())
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", stamp)
		req.Header.Set("webhook-signature", "v1,"+sign(secret, id+"."+stamp+"."+body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 == 2 {
			return nil
		}
		status = resp.Status
	}
	return fmt.Errorf("%s was answered %s", id, status)
}

func sign(secret, text string) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
