package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
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

// ParseKeys reads several keys, each as ParseKey does, separated by spaces, commas or line ends: the newest first.
func ParseKeys(text string) ([]Key, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) == 0 {
		words = []string{""}
	}
	keys := make([]Key, len(words))
	for i, word := range words {
		var err error
		if keys[i], err = ParseKey(word); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

var errSealed = errors.New("does not open under this secret key")

// A sealer closes and opens bytes under a ring of keys: the first closes, all open. It is safe for concurrent use; its copies share the ring.
type sealer struct{ ring *atomic.Pointer[ring] }

// A ring is the keys in force, and those that were before: a snapshot of the store that is older than the end of a rotation holds what they
// have sealed. They open what the store holds, and nothing that comes from outside.
type ring struct{ locks, past []lock }

// A lock is one key at work.
type lock struct {
	key  Key
	aead cipher.AEAD
}

func newSealer(newest Key, older ...Key) (sealer, error) {
	s := sealer{new(atomic.Pointer[ring])}
	s.ring.Store(&ring{})
	return s, s.swap(append([]Key{newest}, older...))
}

// swap puts other keys in force, the newest first. What is being sealed meanwhile is sealed under one of both.
func (s sealer) swap(keys []Key) error {
	var next ring
	for _, k := range keys {
		if k == (Key{}) {
			return errors.New("no secret key was given; secrets, and what travels, are sealed under it; set Options.Key")
		}
		block, err := aes.NewCipher(k.bytes[:])
		if err != nil {
			return err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return err
		}
		next.locks = append(next.locks, lock{k, aead})
	}
	before := s.ring.Load()
	for _, l := range slices.Concat(before.locks, before.past) {
		if !slices.Contains(keys, l.key) {
			next.past = append(next.past, l)
		}
	}
	s.ring.Store(&next)
	return nil
}

// keys are those in force, the newest first.
func (s sealer) keys() []Key {
	var keys []Key
	for _, l := range s.ring.Load().locks {
		keys = append(keys, l.key)
	}
	return keys
}

// newest seals.
func (s sealer) newest() lock { return s.ring.Load().locks[0] }

// seal binds data to a purpose: what was sealed for one does not open for another.
func (s sealer) seal(purpose string, data []byte) []byte { return s.newest().seal(purpose, data) }

func (l lock) seal(purpose string, data []byte) []byte {
	out := make([]byte, 0, len(data)+l.aead.Overhead())
	return l.aead.Seal(out, nil, data, []byte(purpose)) //nolint:gosec // the AEAD draws the nonce itself
}

// open opens what came from outside, under the keys in force.
func (s sealer) open(purpose string, sealed []byte) ([]byte, error) {
	data, _, err := openBy(s.ring.Load().locks, purpose, sealed)
	return data, err
}

// openStored opens what a snapshot of the store holds, and tells which key has opened it.
func (s sealer) openStored(purpose string, sealed []byte) (data []byte, by lock, err error) {
	r := s.ring.Load()
	return openBy(slices.Concat(r.locks, r.past), purpose, sealed)
}

func openBy(locks []lock, purpose string, sealed []byte) (data []byte, by lock, err error) {
	for _, l := range locks {
		if data, err := l.aead.Open(nil, nil, sealed, []byte(purpose)); err == nil {
			return data, l, nil
		}
	}
	return nil, lock{}, errSealed
}
