package core

import (
	"fmt"
	"strings"
	"time"

	"posthorn/ports"
)

// KeyLife is how long the answer to a command with an idempotency key is kept.
const KeyLife = 24 * time.Hour

// keyRow is the stored form of a used idempotency key, which is the row's own.
type keyRow struct {
	UsedKey     `cbor:"-"`
	Fingerprint string   `cbor:"55,keyasint,omitempty"`
	Answer      string   `cbor:"56,keyasint,omitempty"`
	At          Stamp    `cbor:"58,keyasint,omitempty"`
	Seqs        []uint64 `cbor:"18,keyasint,omitempty"` // of its KeyUsed, and of those before that were over by then
}

func (k *keyRow) unpack(parts []string) bool {
	if len(parts) != 3 {
		return false
	}
	k.UsedKey = UsedKey{Company: parts[0], Route: parts[1], Key: parts[2]}
	return true
}

// PastAnswer returns the answer to an earlier command with the same key, if there was one within KeyLife. fingerprint stands for the
// command's content; another content under the same key is an InvalidError.
//
// A key of the inbox holds as long as its row stands, which no KeysExpired has removed: a broker may bring again what was accepted but not
// acknowledged before a stop, however long the engine was stopped.
func PastAnswer(s *State, now time.Time, k UsedKey, fingerprint string) (answer string, found bool, err error) {
	row, err := load[keyRow](s, IdempotencyKey(k.Company, k.Route, k.Key))
	if err != nil || row == nil || now.Sub(row.At.Time()) >= KeyLife && !strings.HasPrefix(k.Route, inboxScope) {
		return "", false, err
	}
	if row.Fingerprint != fingerprint {
		var p problems
		p.add("idempotencyKey", "idempotency key %s was used for another request; a key stands for one; take a new key", Show(k.Key))
		return "", false, p.err()
	}
	return row.Answer, true, nil
}

// ExpireKeys forgets those of the named keys whose time is over.
func ExpireKeys(s *State, now time.Time, keys []UsedKey) (Decision, error) {
	var over []ExpiredKey
	for _, k := range keys {
		row, err := load[keyRow](s, IdempotencyKey(k.Company, k.Route, k.Key))
		if err != nil {
			return Decision{}, err
		}
		if row != nil && now.Sub(row.At.Time()) >= KeyLife {
			over = append(over, ExpiredKey{UsedKey: k, Seqs: row.Seqs})
		}
	}
	if len(over) == 0 {
		return Decision{}, nil
	}
	return Decision{Events: []Event{KeysExpired{Keys: over}}}, nil
}

// ParseKeyRow reads a used key's row: which key, and when its time is over.
func ParseKeyRow(pair ports.Pair) (UsedKey, time.Time, error) {
	row, err := parse[keyRow](pair)
	if err != nil {
		return UsedKey{}, time.Time{}, fmt.Errorf("read idempotency key: %w", err)
	}
	return row.UsedKey, row.At.Time().Add(KeyLife), nil
}
