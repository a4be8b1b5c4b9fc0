package core

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// SaltBytes is the length of the random salt before each vault item. It is erased with the item, so that the digest left in the
// log cannot be used to try out what the item may have been.
const SaltBytes = 16

// NewVaultItem returns the value to store for data, and the digest that names it in an event: the first 16 bytes of SHA-256
// over salt and data, in hex.
func NewVaultItem(salt [SaltBytes]byte, data []byte) (value []byte, digest string) {
	value = make([]byte, 0, SaltBytes+len(data))
	value = append(append(value, salt[:]...), data...)
	return value, vaultDigest(value)
}

// OpenVaultItem returns the data of a stored value. It returns ErrDamaged when the value is not the one that digest names; an empty
// digest is not checked.
func OpenVaultItem(value []byte, digest string) ([]byte, error) {
	if len(value) < SaltBytes {
		return nil, damaged("vault item", digest)
	}
	if digest != "" && subtle.ConstantTimeCompare([]byte(vaultDigest(value)), []byte(digest)) != 1 {
		return nil, damaged("vault item", digest)
	}
	return value[SaltBytes:], nil
}

func vaultDigest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:16])
}

// VaultItemOf returns the key and the digest of the vault item that an event names, if it names one. WebhookResealed names several, and none here.
func VaultItemOf(e Event) (k []byte, digest string, ok bool) {
	switch e := e.(type) {
	case WebhookRegistered:
		return SecretKey(e.Webhook), e.SecretDigest, true
	case WebhookSecretRotated:
		return RotatedSecretKey(e.Webhook, e.SecretDigest), e.SecretDigest, true
	case WebhookHeadersSet:
		return HeadersKey(e.Webhook, e.Digest), e.Digest, e.Digest != ""
	case versioned:
		return ResourceKey(e.version().ResourceRef), e.version().Digest, true
	case MessagePublished:
		return DataKey(e.Message), e.DataDigest, e.DataDigest != ""
	case CallAttempted:
		if e.Response != nil {
			return ResponseKey(e.Call, e.Attempt, e.Lease, e.Epoch), e.Response.Digest, true
		}
	}
	return nil, "", false
}

// IsSealed tells whether what an event names in the vault is sealed: a webhook's secret or headers. These are erased when others take their
// places, so its row says which ones there are, and not the event.
func IsSealed(e Event) bool {
	switch e.(type) {
	case WebhookRegistered, WebhookSecretRotated, WebhookHeadersSet:
		return true
	}
	return false
}

// PayloadOf returns the key and the digest of the JSON that an event tells of: a message's data, or a version of a resource.
func PayloadOf(e Event) (k []byte, digest string, ok bool) {
	switch e.(type) {
	case MessagePublished, versioned:
		return VaultItemOf(e)
	}
	return nil, "", false
}
