// Package receive is a stranger's sender of webhooks: it signs by the standard and tries a few times.
package receive

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Send posts the body until an answer is 2xx, at most three times.
func Send(ctx context.Context, url, id, body string, key []byte) error {
	last := ""
	for range 3 {
		stamp := fmt.Sprint(time.Now().Unix())
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", stamp)
		req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err.Error()
			continue
		}
		if last = resp.Status; resp.Body.Close() == nil && resp.StatusCode/100 == 2 {
			return nil
		}
	}
	return fmt.Errorf("send %s to %s: given up after three attempts, the last was %s", id, url, last)
}
