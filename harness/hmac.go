package harness

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// An HMAC is how many senders sign that do not follow Standard Webhooks: one header has the HMAC-SHA256 of the body. GitHub's is
// {Header: "X-Hub-Signature-256", Prefix: "sha256="}, Shopify's is {Header: "X-Shopify-Hmac-Sha256", Base64: true}.
type HMAC struct {
	// Secret is the key; its bytes are taken as they are.
	Secret string
	// Header names the header.
	Header string
	// Prefix stands in the header before the digest.
	Prefix string
	// Base64 says that the digest is in base64, with its padding; otherwise it is in hex, of either case.
	Base64 bool
}

// ParseHMAC reads a form as the header would look with the word hex or base64 for the digest: "X-Hub-Signature-256: sha256=hex".
func ParseHMAC(form, secret string) (HMAC, error) {
	name, value, _ := strings.Cut(form, ":")
	h := HMAC{Secret: secret, Header: strings.TrimSpace(name)}
	prefix, isHex := strings.CutSuffix(strings.TrimSpace(value), "hex")
	if !isHex {
		prefix, h.Base64 = strings.CutSuffix(prefix, "base64")
	}
	h.Prefix = prefix
	if h.Header == "" || !isHex && !h.Base64 {
		return HMAC{}, fmt.Errorf("HMAC %.100q refused: it is not a header with hex or base64 in place of the digest; "+
			"write it as 'X-Hub-Signature-256: sha256=hex'", form)
	}
	return h, h.complete()
}

func (h HMAC) complete() error {
	if h.Header == "" || h.Secret == "" {
		return fmt.Errorf("HMAC in header %.100q refused: a header and a secret are both needed; give both", h.Header)
	}
	return nil
}

// checker compares a delivery's header with what the secret makes of its body. Such a signature has no time, so it is never stale.
func (h HMAC) checker() checker {
	pool := macPool([]byte(h.Secret))
	return func(d *Delivery) {
		switch value := d.Header.Get(h.Header); {
		case value == "":
			d.Signature = Check{Missing, "there is no " + h.Header}
		case d.Cut:
			d.Signature = Check{Wrong, bodyCut}
		default:
			d.Signature = h.compare(value, sum(pool, d.Body))
		}
	}
}

func (h HMAC) compare(value string, want digest) Check {
	text, ok := strings.CutPrefix(value, h.Prefix)
	if !ok {
		return Check{Wrong, fmt.Sprintf("%s does not begin with %q", h.Header, h.Prefix)}
	}
	decode, form := hex.DecodeString, "hex"
	if h.Base64 {
		decode, form = base64.StdEncoding.DecodeString, "base64"
	}
	switch got, err := decode(text); {
	case err != nil:
		return Check{Wrong, fmt.Sprintf("%s is not in %s", h.Header, form)}
	case !hmac.Equal(got, want[:]):
		return Check{Wrong, h.Header + " does not match the body"}
	}
	return Check{Result: Valid}
}
