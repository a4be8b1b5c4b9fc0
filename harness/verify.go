package harness

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The headers of Standard Webhooks v1, as net/http writes them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// A Result is what a check found.
type Result string

// The results.
const (
	Unchecked Result = ""        // no secret is known, or the scheme does not apply to this body
	Valid     Result = "valid"   // it is what the holder of the secret would have sent, in time
	Missing   Result = "missing" // what should have been signed, or the signature, is not there
	Wrong     Result = "wrong"   // it was not made with this secret over this body
	Stale     Result = "stale"   // the signature is right, its timestamp is further from the arrival than the tolerance
)

// bodyCut is why a body cannot be verified of which Options.MaxBody let only a part be read.
const bodyCut = "the body is longer than what was read of it"

// A Check is a result with its reason, which is empty if the result is Valid or Unchecked. A reason never shows a secret or the
// signature that would have been right.
type Check struct {
	Result Result
	Reason string
}

// String is the result, and the reason after a colon if there is one.
func (c Check) String() string {
	if c.Reason == "" {
		return string(c.Result)
	}
	return string(c.Result) + ": " + c.Reason
}

func (c Check) bad() bool { return c.Result != Unchecked && c.Result != Valid }

// A checker fills in what a secret can tell of a delivery. It is called by many goroutines at once.
type checker func(*Delivery)

const secretPrefix = "whsec_"

// A verifier checks with one secret. Its hashes are pooled, for the two of a delivery are most of what a check would allocate.
type verifier struct {
	signed    bool // the secret is one of Standard Webhooks, so the headers must be there
	signing   *sync.Pool
	token     *sync.Pool
	tolerance time.Duration
}

func newChecker(secret string, tolerance time.Duration) (checker, error) {
	v := &verifier{tolerance: tolerance, token: macPool([]byte(secret))}
	encoded, signed := strings.CutPrefix(secret, secretPrefix)
	if !signed {
		return v.check, nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && len(key) == 0 {
		err = errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, fmt.Errorf("secret that begins with %s refused: what follows is not base64 of a key (%w); "+
			"give it as the sender's registration returned it", secretPrefix, err)
	}
	v.signed, v.signing = true, macPool(key)
	return v.check, nil
}

type digest [sha256.Size]byte

// A mac is a keyed hash with room for what it hashes and for its sum.
type mac struct {
	hash.Hash
	buf []byte
}

func macPool(key []byte) *sync.Pool {
	return &sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}
}

// sum is the MAC of the texts one after another, and then the body.
func sum(pool *sync.Pool, body []byte, texts ...string) (out digest) {
	m, _ := pool.Get().(*mac) // nothing else is in it
	m.Reset()
	m.buf = m.buf[:0]
	for _, text := range texts {
		m.buf = append(m.buf, text...)
	}
	_, _ = m.Write(m.buf) // a hash never fails
	_, _ = m.Write(body)
	m.buf = m.Sum(m.buf[:0])
	copy(out[:], m.buf)
	pool.Put(m)
	return out
}

// check fills in what the secret can tell of a delivery.
func (v *verifier) check(d *Delivery) {
	if v.signed {
		d.Signature = v.checkSignature(d)
	}
	d.Token = v.checkToken(d)
}

// checkSignature follows the text of Standard Webhooks v1: base64 of HMAC-SHA256 over "id.timestamp.body", one of the space
// separated "v1,..." must match, the timestamp is in seconds.
func (v *verifier) checkSignature(d *Delivery) Check {
	id, stamp, list := d.Header.Get(headerID), d.Header.Get(headerTimestamp), d.Header.Get(headerSignature)
	switch {
	case id == "":
		return Check{Missing, "there is no webhook-id"}
	case stamp == "":
		return Check{Missing, "there is no webhook-timestamp"}
	case list == "":
		return Check{Missing, "there is no webhook-signature"}
	case d.Cut:
		return Check{Wrong, bodyCut}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Check{Wrong, fmt.Sprintf("webhook-timestamp %.40q is not a number of seconds", stamp)}
	}
	want := sum(v.signing, d.Body, id, ".", stamp, ".")
	if !listed(list, want) {
		return Check{Wrong, "no v1 signature matches webhook-id, webhook-timestamp and body"}
	}
	return v.checkTime(d.At, seconds)
}

func listed(list string, want digest) bool {
	var encoded [44]byte // base64 of 32 bytes
	base64.StdEncoding.Encode(encoded[:], want[:])
	for one := range strings.SplitSeq(list, " ") {
		if sig, v1 := strings.CutPrefix(one, "v1,"); v1 && subtle.ConstantTimeCompare([]byte(sig), encoded[:]) == 1 {
			return true
		}
	}
	return false
}

func (v *verifier) checkTime(arrival time.Time, seconds int64) Check {
	age := arrival.Sub(time.Unix(seconds, 0))
	switch {
	case age > v.tolerance:
		return Check{Stale, fmt.Sprintf("signed %v before it came, %v are allowed", age.Round(time.Second), v.tolerance)}
	case age < -v.tolerance:
		return Check{Stale, fmt.Sprintf("signed for %v after it came, %v are allowed", -age.Round(time.Second), v.tolerance)}
	}
	return Check{Result: Valid}
}

// checkToken checks the body's own "token": lower-case hex of HMAC-SHA256, keyed by the text of the secret, over resourceId and
// triggeredAt. It applies to bodies that name a resource. Looking for the word first saves decoding all others.
func (v *verifier) checkToken(d *Delivery) Check {
	if d.Cut || !bytes.Contains(d.Body, []byte(`"resourceId"`)) {
		return Check{}
	}
	var body struct {
		ResourceID  string `json:"resourceId"`
		TriggeredAt string `json:"triggeredAt"`
		Token       string `json:"token"`
	}
	switch err := json.Unmarshal(d.Body, &body); {
	case err != nil && !json.Valid(d.Body):
		return Check{Wrong, "the body is not JSON"}
	case err != nil:
		return Check{Wrong, "resourceId, triggeredAt and token are not all strings"}
	case body.ResourceID == "":
		return Check{} // the word stands deeper in the body
	case body.Token == "":
		return Check{Missing, `the body names a resource but has no "token"`}
	}
	want := sum(v.token, nil, body.ResourceID, body.TriggeredAt)
	if !hmac.Equal([]byte(body.Token), hex.AppendEncode(nil, want[:])) {
		return Check{Wrong, "token does not match resourceId and triggeredAt"}
	}
	return Check{Result: Valid}
}
