package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyBytes is the length of the secret key: AES-256.
const KeyBytes = 32

// A Key seals secrets at rest and what travels on the bus, with AES-256-GCM under random nonces. It is not printed by %v or slog.
type Key struct{ bytes [KeyBytes]byte }

// NewKey returns the key made of 32 random bytes.
func NewKey(random [KeyBytes]byte) Key { return Key{random} }

// ParseKey reads a key written as 64 hex digits or as base64 of 32 bytes.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if raw, err := decode(text); err == nil && len(raw) == KeyBytes {
			return Key{[KeyBytes]byte(raw)}, nil
		}
	}
	return Key{}, fmt.Errorf("the secret key of %d characters cannot be read; it is %d bytes in hex or base64; make one with `openssl rand -hex 32`",
		len(text), KeyBytes)
}

// Text writes the key as 64 hex digits, for a key file.
func (k Key) Text() string { return hex.EncodeToString(k.bytes[:]) }

// String hides the key from logs.
func (Key) String() string { return "[secret key]" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "[secret key]" }

var errSealed = errors.New("does not open under this secret key")

// A sealer closes and opens bytes. It is safe for concurrent use.
type sealer struct{ aead cipher.AEAD }

func newSealer(k Key) (sealer, error) {
	if k == (Key{}) {
		return sealer{}, errors.New("no secret key was given; secrets, and what travels, are sealed under it; set Options.Key")
	}
	block, err := aes.NewCipher(k.bytes[:])
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// seal binds data to a purpose: what was sealed for one does not open for another.
func (s sealer) seal(purpose string, data []byte) []byte {
	out := make([]byte, 0, len(data)+s.aead.Overhead())
	return s.aead.Seal(out, nil, data, []byte(purpose)) //nolint:gosec // the AEAD draws the nonce itself
}

func (s sealer) open(purpose string, sealed []byte) ([]byte, error) {
	data, err := s.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, errSealed
	}
	return data, nil
}
