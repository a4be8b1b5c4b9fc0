package core

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"posthorn/ports"
)

// TestSignReference is the vector of the reference libraries of Standard Webhooks (webhook_test.go, TestWebhookSign).
func TestSignReference(t *testing.T) {
	t.Parallel()
	got, err := Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("signature is %s (%v), want %s", got, err, want)
	}
}

// TestSignIsVerifiedByOthers: the reference library of the standard accepts what Sign signs, under the headers that we name, and
// refuses it when anything is changed.
func TestSignIsVerifiedByOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := NewSecret([SecretBytes]byte(rapid.SliceOfN(rapid.Byte(), SecretBytes, SecretBytes).Draw(t, "random")))
		id := rapid.StringMatching(`[a-zA-Z0-9_]{1,30}`).Draw(t, "id")
		at := time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		signature, err := Sign([]string{secret}, id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		header.Set(HeaderID, id)
		header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
		header.Set(HeaderSignature, signature)
		if err := reference.VerifyIgnoringTimestamp(body, header); err != nil {
			t.Fatalf("the reference library refuses our signature: %v", err)
		}
		if err := reference.VerifyIgnoringTimestamp(append(body, ' '), header); err == nil {
			t.Fatal("another body was accepted")
		}
		header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix()+1, 10))
		if err := reference.VerifyIgnoringTimestamp(body, header); err == nil {
			t.Fatal("another time was accepted")
		}

		mac := hmac.New(sha256.New, mustBase64(t, strings.TrimPrefix(secret, "whsec_")))
		mac.Write(fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signature != want {
			t.Fatalf("signature is %s, want %s", signature, want)
		}
	})
}

func mustBase64(t *rapid.T, text string) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSignRefusesOtherSecrets(t *testing.T) {
	t.Parallel()
	const good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, secret := range []string{"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64!", "whsk_MfKQ9r8G", "whsec_"} {
		for _, secrets := range [][]string{{secret}, {good, secret}, {secret, good}} {
			got, err := Sign(secrets, "msg_1", time.Unix(0, 0), nil)
			if err == nil || got != "" {
				t.Errorf("Sign with secrets %q = %q, %v; want an error", secrets, got, err)
				continue
			}
			if want := "sign msg_1: the webhook's secret is not whsec_ and base64; rotate it"; err.Error() != want {
				t.Errorf("the error is %q, want %q, which does not hold the secret", err, want)
			}
		}
	}
	if got, err := Sign(nil, "msg_1", time.Unix(0, 0), nil); err == nil || got != "" {
		t.Errorf("Sign without a secret = %q, %v; want an error", got, err)
	}
}

// TestSignWithSeveralSecrets: each signs, in their order, and who has only one of them is content.
func TestSignWithSeveralSecrets(t *testing.T) {
	t.Parallel()
	at, body := time.Unix(1614265330, 0), []byte(`{"n":1}`)
	secrets := []string{NewSecret([SecretBytes]byte{3}), NewSecret([SecretBytes]byte{2}), NewSecret([SecretBytes]byte{1})}
	list, err := Sign(secrets, "msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set(HeaderID, "msg_1")
	header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	signatures := strings.Split(list, " ")
	if len(signatures) != len(secrets) {
		t.Fatalf("%d secrets signed %q", len(secrets), list)
	}
	for i, secret := range secrets {
		holder, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		header.Set(HeaderSignature, list)
		if err := holder.VerifyIgnoringTimestamp(body, header); err != nil {
			t.Errorf("the holder of secret %d refuses %q: %v", i, list, err)
		}
		header.Set(HeaderSignature, signatures[i])
		if err := holder.VerifyIgnoringTimestamp(body, header); err != nil {
			t.Errorf("signature %d of %q is not that of secret %d: %v", i, list, i, err)
		}
	}
	header.Set(HeaderSignature, list)
	stranger, err := standardwebhooks.NewWebhook(NewSecret([SecretBytes]byte{4}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.VerifyIgnoringTimestamp(body, header); err == nil {
		t.Errorf("the holder of none of the secrets accepts %q", list)
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n)) }
	const form = "what follows whsec_ is not standard base64 with its padding"
	for name, c := range map[string]struct{ secret, why string }{
		"ours":             {NewSecret([SecretBytes]byte{}), ""},
		"least":            {of(24), ""},
		"most":             {of(64), ""},
		"one less":         {of(23), "it holds 23 bytes"},
		"one more":         {of(65), "it holds 65 bytes"},
		"nothing in it":    {"whsec_", "it holds 0 bytes"},
		"empty":            {"", "it does not begin with whsec_"},
		"no prefix":        {of(32)[6:], "it does not begin with whsec_"},
		"capitals":         {"WHSEC_" + of(32)[6:], "it does not begin with whsec_"},
		"asymmetric":       {"whsk_" + of(32)[6:], "it does not begin with whsec_"},
		"space before":     {" " + of(32), "it does not begin with whsec_"},
		"space behind":     {of(32) + " ", form},
		"line end behind":  {of(32) + "\n", form},
		"line end within":  {of(32)[:20] + "\r\n" + of(32)[20:], form},
		"for URLs":         {strings.ReplaceAll(of(32), "+", "-"), form},
		"without padding":  {strings.TrimRight(of(32), "="), form},
		"more padding":     {of(32) + "=", form},
		"odd last bits":    {"whsec_" + strings.Repeat("A", 42) + "B=", form},
		"hexadecimal":      {"whsec_" + strings.Repeat("fb", 31), form},
		"no base64 at all": {"whsec_correct horse battery staple!", form},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckSecret(c.secret)
			if c.why == "" {
				if err != nil {
					t.Errorf("%q is refused: %v", c.secret, err)
				}
				return
			}
			want := "the secret (not shown) is refused: " + c.why + "; give whsec_ and standard base64 of 24 to 64 random bytes"
			if err == nil || err.Error() != want {
				t.Errorf("%q: %v, want %s", c.secret, err, want)
			}
		})
	}
}

// FuzzSecret: what CheckSecret takes the reference library of the standard reads as the same bytes, and Sign signs with it; no error holds the secret.
func FuzzSecret(f *testing.F) {
	for _, seed := range []string{
		"", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\nw", "whsec_" + strings.Repeat("A", 42) + "B=",
		NewSecret([SecretBytes]byte{1}), "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + strings.Repeat("A", 88), "whsec_not base64!",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		signature, signErr := Sign([]string{secret}, "msg_1", time.Unix(1, 0), nil)
		checkErr := CheckSecret(secret)
		for _, err := range []error{signErr, checkErr} {
			if hidden := strings.TrimPrefix(secret, "whsec_"); err != nil && len(hidden) > 20 && strings.Contains(err.Error(), hidden) {
				t.Errorf("the error for %q holds it: %v", secret, err)
			}
		}
		if checkErr != nil {
			return
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(raw) < 24 || len(raw) > 64 || strings.ContainsAny(secret, "\r\n") {
			t.Errorf("%q was taken, of %d bytes (%v)", secret, len(raw), err)
		}
		reference, err := standardwebhooks.NewWebhookRaw(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := reference.Sign("msg_1", time.Unix(1, 0), nil); err != nil || signErr != nil || signature != want {
			t.Errorf("signed %q (%v), want %q (%v)", signature, signErr, want, err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	at, body := time.Unix(1614265330, 0), bytes.Repeat([]byte("x"), 409)
	for n := 1; n <= 2; n++ {
		secrets := []string{NewSecret([SecretBytes]byte{1}), NewSecret([SecretBytes]byte{2})}[:n]
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(secrets, "msg_01KAR1QZ8M4E2T0F5X6B7C9D3G", at, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	random := [SecretBytes]byte{0xff, 0xfe, 1, 2}
	secret := NewSecret(random)
	if !regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{43}=$`).MatchString(secret) {
		t.Errorf("secret %s is not whsec_ and the base64 of 32 bytes", secret)
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil || !bytes.Equal(raw, random[:]) {
		t.Errorf("secret holds %x (%v), want %x", raw, err, random)
	}
}

// TestToken: the seed's form, with a key that is the secret's text, prefix and all.
func TestToken(t *testing.T) {
	t.Parallel()
	const secret, id, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "cand_1", "2026-01-02T03:04:05.006Z"
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(id + at))
	if got, want := Token(secret, id, at), hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("token is %s, want %s", got, want)
	}
}

func bodyCalls() (resource, inline Call) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 6_789_000, time.FixedZone("one hour east", 3600))
	inline = Call{ID: "call_1", Company: "42", Message: "msg_1", EventType: "invoice.paid", CreatedAt: at, URL: "https://a.example/"}
	resource = inline
	resource.EventType, resource.Resource = "candidate.created", &ResourceRef{Type: "candidate", ID: "cand_1", Version: 3}
	return resource, inline
}

func TestBody(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	resource, inline := bodyCalls()
	profile := resourceBody("candidate", "cand_1", map[string]json.RawMessage{
		"lastName": []byte(`"Lovelace"`), "email": []byte(`"ada@example.com"`), "tags": []byte(`[1,"\u003cb\u003e"]`),
	}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	bare := resourceBody("candidate", "cand_1", nil, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	data := []byte(`{"total":2.50}`)
	golden(t, "body.golden", fmt.Sprintf("resource\n%s\n\nresource without fields\n%s\n\nresource and data\n%s\n\ndata\n%s\n\ndata that is null\n%s\n",
		Body(resource, profile, nil, secret), Body(resource, bare, nil, secret), Body(resource, profile, data, secret),
		Body(inline, nil, data, secret), Body(inline, nil, []byte("null"), secret)))
}

// TestBodyIsTheSame: whatever strings a body holds it is valid JSON, gives them back, and does not depend on what an attempt changes.
func TestBodyIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, _ := bodyCalls()
		c.EventType = rapid.String().Draw(t, "type")
		c.Resource = &ResourceRef{Type: rapid.String().Draw(t, "resourceType"), ID: rapid.String().Draw(t, "id"), Version: 1}
		text := rapid.String().Draw(t, "text")
		value, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		first := Body(c, value, value, "whsec_AAAA")
		var got struct {
			Type         string            `json:"type"`
			ResourceID   string            `json:"resourceId"`
			ResourceType string            `json:"resourceType"`
			TriggeredAt  string            `json:"triggeredAt"`
			Token        string            `json:"token"`
			Resource     map[string]string `json:"resource"`
			Data         map[string]string `json:"data"`
		}
		if err := json.Unmarshal(first, &got); err != nil {
			t.Fatalf("not JSON (%v): %s", err, first)
		}
		if got.Type != c.EventType || got.ResourceID != c.Resource.ID || got.ResourceType != c.Resource.Type || got.Resource["text"] != text || got.Data["text"] != text {
			t.Fatalf("the body says %+v of %+v", got, c)
		}
		if got.TriggeredAt != "2026-01-02T03:04:05.006Z" || got.Token != Token("whsec_AAAA", c.Resource.ID, got.TriggeredAt) {
			t.Fatalf("triggeredAt is %s, token %s", got.TriggeredAt, got.Token)
		}
		later := c
		now := c.CreatedAt.Add(time.Hour)
		later.State, later.AttemptCount, later.LastError, later.NextAt, later.UpdatedAt = Failed, 3, "x", &now, now
		later.CreatedAt = c.CreatedAt.UTC() // as it comes from the row
		if again := Body(later, value, value, "whsec_AAAA"); !bytes.Equal(again, first) {
			t.Fatalf("the body of a later attempt differs:\n%s\n%s", first, again)
		}
	})
}

func TestVault(t *testing.T) {
	t.Parallel()
	salt := [SaltBytes]byte{1, 2, 3}
	value, digest := NewVaultItem(salt, []byte("data"))
	sum := sha256.Sum256(append(salt[:], "data"...))
	if want := hex.EncodeToString(sum[:16]); digest != want {
		t.Errorf("digest is %s, want %s", digest, want)
	}
	if _, other := NewVaultItem([SaltBytes]byte{9}, []byte("data")); other == digest {
		t.Error("the same data under another salt has the same digest")
	}
	for _, named := range []string{digest, ""} {
		if got, err := OpenVaultItem(value, named); err != nil || string(got) != "data" {
			t.Errorf("open with digest %q = %q, %v", named, got, err)
		}
	}
	if got, err := OpenVaultItem(value[:SaltBytes], ""); err != nil || len(got) != 0 {
		t.Errorf("open an item without data = %q, %v", got, err)
	}
	changed := append([]byte(nil), value...)
	changed[len(changed)-1]++
	for name, bad := range map[string][]byte{"changed": changed, "cut": value[:len(value)-1], "short": value[:SaltBytes-1], "none": nil} {
		if got, err := OpenVaultItem(bad, digest); !errors.Is(err, ports.ErrDamaged) || got != nil {
			t.Errorf("open an item that is %s = %q, %v; want %v", name, got, err, ports.ErrDamaged)
		}
	}
}
