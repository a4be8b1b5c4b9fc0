package core

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"posthorn/ports"
)

// A Scope is what an API key is for: admin for everything, read for reading everything but what is the operator's, company:ID for one
// company and nothing else.
type Scope string

// The scopes that name no company.
const (
	ScopeAdmin Scope = "admin"
	ScopeRead  Scope = "read"
)

const companyScope = "company:"

// CompanyScope is the scope of one company.
func CompanyScope(company string) Scope { return Scope(companyScope + company) }

// Company returns the company of a scope; ok is false for the others.
func (s Scope) Company() (company string, ok bool) {
	company, ok = strings.CutPrefix(string(s), companyScope)
	if !ok {
		return "", false
	}
	return company, true
}

// An APIKey lets a program use the API, within its scope. What opens it, its token, was shown when it was made.
type APIKey struct {
	ID string `json:"id" cbor:"-"`
	// Name is free text, for who has to know the keys apart.
	Name  string `json:"name,omitempty" cbor:"101,keyasint,omitempty"`
	Scope Scope  `json:"scope" cbor:"102,keyasint,omitempty"`
	// Rate is the most requests a second; 0 for no limit.
	Rate      float64    `json:"rate,omitempty" cbor:"63,keyasint,omitempty"`
	CreatedAt time.Time  `json:"createdAt" cbor:"-"`
	RevokedAt *time.Time `json:"revokedAt,omitempty" cbor:"-"`
}

// apiKeyRow is the stored form. A revoked key's row stays, for the log names it.
type apiKeyRow struct {
	APIKey
	Hash    string `cbor:"103,keyasint,omitempty"`
	Created Stamp  `cbor:"12,keyasint,omitempty"`
	Revoked Stamp  `cbor:"104,keyasint,omitempty"`
}

func (k *apiKeyRow) unpack(parts []string) bool {
	if len(parts) != 1 {
		return false
	}
	k.ID, k.CreatedAt, k.RevokedAt = parts[0], k.Created.Time(), k.Revoked.Pointer()
	return true
}

// NewAPIKey asks for an API key.
type NewAPIKey struct {
	// Name is at most 128 bytes.
	Name  string
	Scope Scope
	// Rate is the most requests a second: 0.01 to 10,000; 0 for no limit.
	Rate float64
}

const maxKeyName = 128

// Check validates the key. It needs no state.
func (n NewAPIKey) Check() error {
	var p problems
	if len(n.Name) > maxKeyName || !printable(n.Name) {
		p.add("name", "name %s is refused; it is at most %d bytes of plain text; shorten or clean it", Show(n.Name), maxKeyName)
	}
	company, ofCompany := n.Scope.Company()
	var faults problems
	if checkCompany(&faults, company); ofCompany && faults != nil || !ofCompany && n.Scope != ScopeAdmin && n.Scope != ScopeRead {
		p.add("scope", "scope %s is refused; a key is for all, for reading, or for one company; give admin, read or company:ID", Show(string(n.Scope)))
	}
	if n.Rate != 0 && !(n.Rate >= minRate && n.Rate <= maxRate) { // what is no number is neither
		p.add("rate", "rate %v is refused; it is %v to %d requests a second, or 0 for no limit; change it", n.Rate, minRate, maxRate)
	}
	return p.err()
}

// TokenBytes is how much of a token is random.
const TokenBytes = 32

const tokenPrefix = "phk_"

// CreateKey makes a key and its token, which holds the key's id, so that the key is found by it, and random bytes. Only the token's hash
// is stored, by plain SHA-256: nobody can try 2^256 of them, so the slowness of a password's hash would only slow every request down.
func CreateKey(in Inputs, now time.Time, n NewAPIKey, random [TokenBytes]byte) (Decision, APIKey, string) {
	k := APIKey{ID: in.ID(PrefixAPIKey), Name: n.Name, Scope: n.Scope, Rate: n.Rate, CreatedAt: now}
	token := tokenPrefix + strings.TrimPrefix(k.ID, PrefixAPIKey) + "_" + base64.RawURLEncoding.EncodeToString(random[:])
	var d Decision
	d.tell(KeyCreated{APIKey: k.ID, Name: k.Name, Scope: k.Scope, Rate: k.Rate, Hash: hashToken(token)})
	return d, k, token
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// RevokeKey ends a key. Revoking a revoked one changes nothing.
func RevokeKey(s *State, now time.Time, id string) (Decision, APIKey, error) {
	row, err := load[apiKeyRow](s, APIKeyKey(id))
	if err == nil && row == nil {
		err = fmt.Errorf("API key %s: %w; list what there is", Show(id), ports.ErrNotFound)
	}
	if err != nil || row.Revoked != 0 {
		return Decision{}, apiKeyOf(row), err
	}
	k := row.APIKey
	k.RevokedAt = &now
	return Decision{Events: []Event{KeyRevoked{APIKey: id}}}, k, nil
}

func apiKeyOf(row *apiKeyRow) APIKey {
	if row == nil {
		return APIKey{}
	}
	return row.APIKey
}

func (s *State) foldKeyCreated(at time.Time, e KeyCreated) error {
	return set(s, APIKeyKey(e.APIKey), func(row *apiKeyRow) {
		*row = apiKeyRow{
			APIKey: APIKey{ID: e.APIKey, Name: e.Name, Scope: e.Scope, Rate: e.Rate, CreatedAt: at}, Hash: e.Hash, Created: StampOf(at),
		}
	})
}

func (s *State) foldKeyRevoked(at time.Time, e KeyRevoked) error {
	return set(s, APIKeyKey(e.APIKey), func(row *apiKeyRow) { row.RevokedAt, row.Revoked = &at, StampOf(at) })
}

// KeyOfToken returns the id of the key that a token says it is of; ok is false for a text that is no token.
func KeyOfToken(token string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	part, _, whole := strings.Cut(rest, "_")
	return PrefixAPIKey + part, ok && whole && part != "" && printable(part)
}

// ParseAPIKey reads a key's row; opens tells in constant time whether a token is the key's, revoked or not.
func ParseAPIKey(pair ports.Pair) (k APIKey, opens func(token string) bool, err error) {
	row, err := parse[apiKeyRow](pair)
	return row.APIKey, func(token string) bool {
		return subtle.ConstantTimeCompare([]byte(hashToken(token)), []byte(row.Hash)) == 1
	}, err
}
