package core

// KeyCreated begins an API key. Hash is the SHA-256 of its token, in hex.
type KeyCreated struct {
	APIKey string  `json:"apiKey" cbor:"100,keyasint,omitempty"`
	Name   string  `json:"name,omitempty" cbor:"101,keyasint,omitempty"`
	Scope  Scope   `json:"scope" cbor:"102,keyasint,omitempty"`
	Rate   float64 `json:"rate,omitempty" cbor:"63,keyasint,omitempty"`
	Hash   string  `json:"hash" cbor:"103,keyasint,omitempty"`
}

// KeyRevoked ends it: from now on it opens nothing.
type KeyRevoked struct {
	APIKey string `json:"apiKey" cbor:"100,keyasint,omitempty"`
}

func (KeyCreated) event() {}
func (KeyRevoked) event() {}
