package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"posthorn/engine/core"
)

// signatureCmd makes and checks signatures of Standard Webhooks without an engine, for who builds a receiver.
type signatureCmd struct {
	Sign   signatureSignCmd   `cmd:"" help:"Print the three headers that a call with this body would have."`
	Verify signatureVerifyCmd `cmd:"" help:"Check the headers of a call: exit code 0, or 1 and what is wrong."`
}

// signatureFlags are what is signed, and with what.
type signatureFlags struct {
	Secret     []string `env:"POSTHORN_WEBHOOK_SECRET" help:"Secret of the webhook; of several the newest first. Give it by environment or file: others can see flags." placeholder:"SECRET" secret:""` //nolint:lll // a tag
	SecretFile string   `help:"File of secrets, one a line, in place of --secret." placeholder:"FILE" type:"path"`
	ID         string   `help:"The message's id, as in webhook-id." name:"id" placeholder:"ID" required:""`
	Body       string   `default:"-" help:"File with the body, byte for byte; - is stdin." placeholder:"FILE" type:"path"`
}

// secrets reads them from where they were given. None is ever in an error.
func (f *signatureFlags) secrets() ([]string, error) {
	all := f.Secret
	if f.SecretFile != "" {
		raw, err := os.ReadFile(f.SecretFile)
		if err != nil {
			return nil, refuse("secrets cannot be read: %w; correct --secret-file", err)
		}
		all = strings.Fields(string(raw))
	}
	if len(all) == 0 {
		return nil, refuse("no secret was given; a signature is made with the webhook's; give --secret-file, --secret or POSTHORN_WEBHOOK_SECRET")
	}
	for _, secret := range all {
		if err := core.CheckSecret(secret); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// body reads all of it: a signature of a part would be of no use.
func (f *signatureFlags) body(p *program) ([]byte, error) {
	if f.Body == "-" {
		raw, err := io.ReadAll(p.stdin)
		return raw, exitWith(exitIO, err)
	}
	raw, err := os.ReadFile(f.Body)
	if err != nil {
		return nil, refuse("the body cannot be read: %w; correct --body", err)
	}
	return raw, nil
}

type signatureSignCmd struct {
	signatureFlags

	Timestamp *int64 `help:"Seconds since 1970, as in webhook-timestamp; now if not given." placeholder:"SECONDS"`
	JSON      bool   `help:"Print JSON: one object." name:"json"`
}

// signedHeaders are the headers of an attempt, named as on the wire.
type signedHeaders struct {
	ID        string `json:"webhook-id"`
	Timestamp string `json:"webhook-timestamp"`
	Signature string `json:"webhook-signature"`
}

// Run prints the headers, as curl's -H @FILE reads them.
func (c *signatureSignCmd) Run(p *program) error {
	if c.ID == "" || printable(c.ID) != c.ID {
		return refuse("id %s is refused: it could not stand in a header; give plain text", core.Show(c.ID))
	}
	secrets, err := c.secrets()
	if err != nil {
		return exitWith(exitUsage, err)
	}
	body, err := c.body(p)
	if err != nil {
		return err
	}
	at := time.Now()
	if c.Timestamp != nil {
		at = time.Unix(*c.Timestamp, 0)
	}
	signature, err := core.Sign(secrets, c.ID, at, body)
	if err != nil {
		return err
	}
	headers := signedHeaders{c.ID, strconv.FormatInt(at.Unix(), 10), signature}
	return p.print(c.JSON, headers, func(t table) {
		t.line("%s: %s", core.HeaderID, headers.ID)
		t.line("%s: %s", core.HeaderTimestamp, headers.Timestamp)
		t.line("%s: %s", core.HeaderSignature, headers.Signature)
	})
}

type signatureVerifyCmd struct {
	signatureFlags

	Timestamp string        `help:"The header webhook-timestamp." placeholder:"SECONDS" required:""`
	Signature string        `help:"The header webhook-signature, all of it." placeholder:"LIST" required:""`
	Tolerance time.Duration `default:"5m" help:"How far the timestamp may lie from now, before or after; 0 allows any time."`
}

// Run says with which secret the call was signed, or what is wrong.
func (c *signatureVerifyCmd) Run(p *program) error {
	if c.Tolerance < 0 {
		return refuse("tolerance %v is refused: it is negative; give a time such as 5m, or 0 for any time", c.Tolerance)
	}
	secrets, err := c.secrets()
	if err != nil {
		return err
	}
	body, err := c.body(p)
	if err != nil {
		return err
	}
	found, err := signedHeaders{c.ID, c.Timestamp, c.Signature}.verify(secrets, body, time.Now(), c.Tolerance)
	if err != nil {
		return err
	}
	return p.print(false, nil, func(t table) { t.line("valid: %s", found) })
}

// verify follows the text of the standard and shares no code with what signs, so that each can find the other's faults. A signature
// that does not match is told before a time that does not: an old call is then surely a true one.
func (h signedHeaders) verify(secrets []string, body []byte, now time.Time, tolerance time.Duration) (found string, err error) {
	seconds, err := strconv.ParseInt(h.Timestamp, 10, 64)
	if err != nil {
		return "", fmt.Errorf("webhook-timestamp %s is refused: it is not a number of seconds since 1970; give the header as it came", core.Show(h.Timestamp))
	}
	var ours []string
	for one := range strings.SplitSeq(h.Signature, " ") {
		if encoded, v1 := strings.CutPrefix(one, "v1,"); v1 {
			ours = append(ours, encoded)
		}
	}
	if len(ours) == 0 {
		return "", fmt.Errorf("webhook-signature %s is refused: no signature in it begins with v1, and a secret makes no others; give the whole header",
			core.Show(h.Signature))
	}
	signature, secret := h.match(ours, secrets, body)
	if signature == 0 {
		return "", fmt.Errorf("no signature matches: of %d that begin with v1, none was made over this id, timestamp and body with one of %d secrets; "+
			"give the body byte for byte as it came, and this webhook's secret", len(ours), len(secrets))
	}
	if err := inTime(now, seconds, tolerance); err != nil {
		return "", err
	}
	return fmt.Sprintf("v1 signature %d of %d is by secret %d of %d", signature, len(ours), secret, len(secrets)), nil
}

// match counts from 1; 0 means that there is none.
func (h signedHeaders) match(signatures, secrets []string, body []byte) (signature, secret int) {
	for i, text := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil {
			continue // checked before
		}
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", h.ID, h.Timestamp, body) // a hash never fails
		want := []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for j, signature := range signatures {
			if hmac.Equal([]byte(signature), want) {
				return j + 1, i + 1
			}
		}
	}
	return 0, 0
}

// inTime counts in whole seconds, as the header does.
func inTime(now time.Time, seconds int64, tolerance time.Duration) error {
	age := float64(now.Unix()) - float64(seconds) // a duration would not hold every number of seconds
	by, side := age, "old"
	if age < 0 {
		by, side = -age, "ahead of this machine's clock"
	}
	if tolerance == 0 || by <= tolerance.Seconds() {
		return nil
	}
	return fmt.Errorf("webhook-timestamp %d is refused: the signature matches, but is %.0f s %s, and %v are allowed; "+
		"answer such a call with an error, or give --tolerance 0 to look at it only", seconds, by, side, tolerance)
}
