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

const (
	secretPrefix   = "whsec_"
	signatureBytes = len(" v1,") + 44 // of a signature and the space before it; 44 is the base64 of 32 bytes
)

// The lengths of secrets in bytes before base64: what Standard Webhooks allows, and what NewSecret makes.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
	SecretBytes    = 32
)

// NewSecret writes random bytes as a secret: whsec_ and their base64.
func NewSecret(random [SecretBytes]byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(random[:])
}

// CheckSecret tells whether a secret that somebody gave is whsec_ and the standard base64, with its padding, of MinSecretBytes to
// MaxSecretBytes. It takes only what every receiver's decoder reads as the same bytes. The error never holds the secret.
func CheckSecret(secret string) error {
	const refusal = "the secret (not shown) is refused: %s; give " + secretPrefix + " and standard base64 of %d to %d random bytes"
	key, ok := keyOf(secret)
	var why string
	switch encoded, prefixed := strings.CutPrefix(secret, secretPrefix); {
	case !prefixed:
		why = "it does not begin with " + secretPrefix
	case !ok || base64.StdEncoding.EncodeToString(key) != encoded: // Go passes over line ends and odd last bits; others do not
		why = "what follows " + secretPrefix + " is not standard base64 with its padding"
	case len(key) < MinSecretBytes || len(key) > MaxSecretBytes:
		why = fmt.Sprintf("it holds %d bytes", len(key))
	default:
		return nil
	}
	return fmt.Errorf(refusal, why, MinSecretBytes, MaxSecretBytes)
}

// keyOf are the bytes of a secret; ok is false for what is not whsec_ and base64.
func keyOf(secret string) (key []byte, ok bool) {
	encoded, prefixed := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	return key, prefixed && err == nil
}

// Sign returns the webhook-signature of an attempt: for each secret v1, and the base64 of HMAC-SHA256 over id.timestamp.body, keyed by
// the secret's bytes; joined by spaces, in the order of the secrets. While secrets rotate both the new and the old one sign; give the
// newest first. There must be a secret, and none may be empty. The error never holds one.
func Sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	if len(secrets) == 0 {
		return "", fmt.Errorf("sign %s: the webhook has no secret; rotate it", id)
	}
	head := make([]byte, 0, len(id)+32)
	head = append(strconv.AppendInt(append(append(head, id...), '.'), at.Unix(), 10), '.')
	list := make([]byte, 0, len(secrets)*signatureBytes)
	var sum [sha256.Size]byte
	for i, secret := range secrets {
		key, ok := keyOf(secret)
		if !ok || len(key) == 0 {
			return "", fmt.Errorf("sign %s: the webhook's secret is not %s and base64; rotate it", id, secretPrefix)
		}
		if i > 0 {
			list = append(list, ' ')
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(head)
		mac.Write(body)
		list = base64.StdEncoding.AppendEncode(append(list, "v1,"...), mac.Sum(sum[:0]))
	}
	return string(list), nil
}

// Token returns the seed's token: the lower-case hex of HMAC-SHA256 over resourceId + triggeredAt, keyed by the secret's text.
func Token(secret, resourceID, triggeredAt string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(resourceID + triggeredAt))
	return hex.EncodeToString(mac.Sum(nil))
}
