package core

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

const secretPrefix = "whsec_"

// SecretBytes is the length of a webhook's random secret; the specification allows 24 to 64.
const SecretBytes = 32

// NewSecret writes random bytes as a secret: whsec_ and their base64.
func NewSecret(random [SecretBytes]byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(random[:])
}

// Sign returns the webhook-signature of an attempt: v1, and the base64 of HMAC-SHA256 over id.timestamp.body, keyed by the secret's
// bytes. The error never holds the secret.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	secretKey, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return "", fmt.Errorf("sign %s: the webhook's secret is not %s and base64; register the webhook anew", id, secretPrefix)
	}
	mac := hmac.New(sha256.New, secretKey)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Token returns the seed's token: the lower-case hex of HMAC-SHA256 over resourceId + triggeredAt, keyed by the secret's text.
func Token(secret, resourceID, triggeredAt string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(resourceID + triggeredAt))
	return hex.EncodeToString(mac.Sum(nil))
}
