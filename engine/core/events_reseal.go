package core

// The events of a rotation of the master key, under which the vault's secrets and headers are sealed. Its numbers are 32 and 33.

// MasterKeyRotated begins the job that seals all secrets and headers under the newest master key.
type MasterKeyRotated struct{}

// WebhookResealed names the vault items that are the webhook's from now on: its secrets, the newest first, and its headers, empty for none.
// They take the places of those sealed under an older master key; a secret that signs no more, and what a deleted webhook does not
// need, has none. The items before are erased in the same commit.
type WebhookResealed struct {
	Webhook       string   `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company       string   `json:"company" cbor:"1,keyasint,omitempty"`
	Secrets       []string `json:"secrets" cbor:"110,keyasint,omitempty"`
	HeadersDigest string   `json:"headersDigest,omitempty" cbor:"72,keyasint,omitempty"`
}

func (MasterKeyRotated) event() {}
func (WebhookResealed) event()  {}
