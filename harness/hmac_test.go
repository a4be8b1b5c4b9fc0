package harness_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

// The digests were made with another tool: printf '{"n":1}' | openssl dgst -sha256 -hmac 'the sender'\”s own'.
const (
	hexDigest    = "286be860f2b7fe64bd0ab7bffa975854e147314d97aa2c3e8e783c633555e1ac"
	base64Digest = "KGvoYPK3/mS9Cre/+pdYVOFHMU2Xqiw+jng8YzVV4aw="
	foreign      = "the sender's own"
)

func TestHMAC(t *testing.T) {
	t.Parallel()
	const github, shopify = "X-Hub-Signature-256: sha256=hex", "X-Shopify-Hmac-Sha256: base64"
	cases := []struct {
		name, form, header, value string
		want                      harness.Result
		reason                    string
	}{
		{"as GitHub signs", github, "X-Hub-Signature-256", "sha256=" + hexDigest, harness.Valid, ""},
		{"in upper case", github, "X-Hub-Signature-256", "sha256=" + strings.ToUpper(hexDigest), harness.Valid, ""},
		{"as Shopify signs", shopify, "X-Shopify-Hmac-Sha256", base64Digest, harness.Valid, ""},
		{"another header", github, "X-Hub-Signature", "sha256=" + hexDigest, harness.Missing, "there is no X-Hub-Signature-256"},
		{"another prefix", github, "X-Hub-Signature-256", "sha1=" + hexDigest, harness.Wrong, `does not begin with "sha256="`},
		{"another form", shopify, "X-Shopify-Hmac-Sha256", "*" + base64Digest, harness.Wrong, "is not in base64"},
		{"not hex", github, "X-Hub-Signature-256", "sha256=x", harness.Wrong, "is not in hex"},
		{"another digest", github, "X-Hub-Signature-256", "sha256=00" + hexDigest[2:], harness.Wrong, "does not match the body"},
		{"half a digest", github, "X-Hub-Signature-256", "sha256=" + hexDigest[:32], harness.Wrong, "does not match the body"},
	}
	client := newClient(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, err := harness.ParseHMAC(c.form, foreign)
			if err != nil {
				t.Fatal(err)
			}
			r := start(t, harness.Options{HMAC: h})
			req, err := http.NewRequestWithContext(soon(t), http.MethodPost, r.URL(), strings.NewReader(`{"n":1}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(c.header, c.value)
			do(t, client, req)
			got := r.Deliveries()[0].Signature
			if got.Result != c.want || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
				t.Errorf("found %v; want %v with %q", got, c.want, c.reason)
			}
		})
	}
}

func TestHMACOfAnEndpoint(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{Secret: secret, MaxBody: 7})
	if err := r.Endpoint("/own").SetHMAC(harness.HMAC{Secret: foreign, Header: "X-Sig"}); err != nil {
		t.Fatal(err)
	}
	long := request(t, r.URL()+"/own", "msg_1", `{"n":12}`, time.Now())
	long.Header.Set("X-Sig", hexDigest)
	do(t, client, long)
	send(t, client, r.URL()+"/own", "msg_1")
	send(t, client, r.URL()+"/other", "msg_1")
	all := r.Deliveries()
	if got := all[0].Signature; got.Result != harness.Wrong || !strings.Contains(got.Reason, "longer than what was read") {
		t.Errorf("a body that was cut: %v", got)
	}
	if all[1].Signature.Result != harness.Missing || !all[2].Verified() {
		t.Errorf("%v and %v", all[1], all[2])
	}
}

func TestHMACRefused(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"", "X-Sig", "X-Sig: sha256=", ": hex", "X-Sig: sha256=hexa"} {
		if _, err := harness.ParseHMAC(form, foreign); err == nil || !strings.Contains(err.Error(), "write it as 'X-Hub-Signature-256: sha256=hex'") {
			t.Errorf("ParseHMAC(%q): %v", form, err)
		}
	}
	if _, err := harness.ParseHMAC("X-Sig: hex", ""); err == nil || !strings.Contains(err.Error(), "give both") {
		t.Errorf("without a secret: %v", err)
	}
	_, err := harness.Start(t.Context(), harness.Options{Secret: secret, HMAC: harness.HMAC{Secret: foreign, Header: "X-Sig"}})
	if err == nil || strings.Contains(err.Error(), foreign) || !strings.Contains(err.Error(), "leave one out") {
		t.Errorf("both ways: %v", err)
	}
}
