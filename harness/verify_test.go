package harness_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func TestSignature(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) func(*http.Request) { // signs again for another time
		return func(req *http.Request) {
			again := request(t, req.URL.String(), "msg_1", `{"n":1}`, time.Now().Add(d))
			req.Header = again.Header
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(name, value) }
	}
	const other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	cases := []struct {
		name   string
		change func(*http.Request)
		want   harness.Result
		reason string
	}{
		{"as the library signs", func(*http.Request) {}, harness.Valid, ""},
		{"one of several", func(req *http.Request) {
			own := req.Header.Get("webhook-signature")
			req.Header.Set("webhook-signature", other+" v1a,x "+own+" v2,y")
		}, harness.Valid, ""},
		{"nearly too old", at(-298 * time.Second), harness.Valid, ""},
		{"nearly too new", at(298 * time.Second), harness.Valid, ""},
		{"old", at(-302 * time.Second), harness.Stale, "before it came"},
		{"new", at(303 * time.Second), harness.Stale, "after it came"},
		{"no id", header("webhook-id", ""), harness.Missing, "there is no webhook-id"},
		{"no timestamp", header("webhook-timestamp", ""), harness.Missing, "there is no webhook-timestamp"},
		{"no signature", header("webhook-signature", ""), harness.Missing, "there is no webhook-signature"},
		{"another id", header("webhook-id", "msg_2"), harness.Wrong, "no v1 signature matches"},
		{"another time", header("webhook-timestamp", seconds(time.Now().Add(-9*time.Second))), harness.Wrong, "no v1 signature matches"},
		{"another signature", header("webhook-signature", other), harness.Wrong, "no v1 signature matches"},
		{"an empty signature", header("webhook-signature", "v1,"), harness.Wrong, "no v1 signature matches"},
		{"another version", func(req *http.Request) {
			req.Header.Set("webhook-signature", strings.Replace(req.Header.Get("webhook-signature"), "v1,", "v2,", 1))
		}, harness.Wrong, "no v1 signature matches"},
		{"not seconds", header("webhook-timestamp", "today"), harness.Wrong, `webhook-timestamp "today" is not a number of seconds`},
	}
	client := newClient(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, harness.Options{Secret: secret})
			req := request(t, r.URL(), "msg_1", `{"n":1}`, time.Now())
			c.change(req)
			do(t, client, req)
			got := r.Deliveries()[0].Signature
			if got.Result != c.want || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
				t.Errorf("found %v; want %v with %q", got, c.want, c.reason)
			}
		})
	}
}

// The expected token was made with another tool: printf %s cand_12026-01-02T03:04:05.678Z | openssl dgst -sha256 -hmac <secret>.
func TestToken(t *testing.T) {
	t.Parallel()
	const head = `{"resourceId":"cand_1","triggeredAt":"2026-01-02T03:04:05.678Z"`
	cases := []struct {
		name, body string
		want       harness.Result
		reason     string
	}{
		{"right", head + `,"token":"TOKEN"}`, harness.Valid, ""},
		{"of another time", `{"resourceId":"cand_1","triggeredAt":"x","token":"TOKEN"}`, harness.Wrong, "token does not match"},
		{"upper case", head + `,"token":"UPPER"}`, harness.Wrong, "token does not match"},
		{"left out", head + `}`, harness.Missing, `no "token"`},
		{"not a resource", `{"type":"invoice.paid","data":{"n":1}}`, harness.Unchecked, ""},
		{"a resource deeper", `{"data":{"resourceId":"cand_1"}}`, harness.Unchecked, ""},
		{"not text", `{"resourceId":1}`, harness.Wrong, "not all strings"},
		{"not JSON", `{"resourceId"`, harness.Wrong, "not JSON"},
	}
	fill := strings.NewReplacer("TOKEN", token, "UPPER", strings.ToUpper(token))
	client := newClient(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, harness.Options{Secret: secret})
			do(t, client, request(t, r.URL(), "msg_1", fill.Replace(c.body), time.Now()))
			d := r.Deliveries()[0]
			if d.Token.Result != c.want || !strings.Contains(d.Token.Reason, c.reason) {
				t.Errorf("found %v; want %v with %q", d.Token, c.want, c.reason)
			}
			if d.Signature.Result != harness.Valid {
				t.Errorf("signature %v", d.Signature)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	r := start(t, harness.Options{})
	last := func(path string) harness.Delivery {
		send(t, client, r.URL()+path, "msg_1")
		all := r.Deliveries()
		return all[len(all)-1]
	}
	if d := last("/a"); d.Verified() || d.Bad() {
		t.Errorf("without a secret: %v", d)
	}
	if err := r.SetSecret(secret); err != nil {
		t.Fatal(err)
	}
	if err := r.Endpoint("/b").SetSecret("whsec_b3RoZXI="); err != nil {
		t.Fatal(err)
	}
	if err := r.Endpoint("/c").SetSecret("a token of another kind"); err != nil {
		t.Fatal(err)
	}
	if d := last("/a"); !d.Verified() {
		t.Errorf("the receiver's secret: %v", d)
	}
	if d := last("/b"); !d.Bad() || d.Signature.Result != harness.Wrong {
		t.Errorf("the endpoint's own secret: %v", d)
	}
	if d := last("/c"); d.Signature.Result != harness.Unchecked {
		t.Errorf("a secret of no known form must not demand headers: %v", d)
	}
	for _, bad := range []string{"whsec_", "whsec_***"} {
		if err := r.SetSecret(bad); err == nil || strings.Contains(err.Error(), "***") {
			t.Errorf("SetSecret(%q): %v", bad, err)
		}
	}
	if _, err := harness.Start(t.Context(), harness.Options{Secret: "whsec_"}); err == nil {
		t.Error("Start took a secret that cannot be read")
	}
}

func TestBodyTooLong(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{Secret: secret, MaxBody: 4})
	do(t, newClient(t), request(t, r.URL(), "msg_1", `{"n":1}`, time.Now()))
	d := r.Deliveries()[0]
	if !d.Cut || string(d.Body) != `{"n"` || !strings.Contains(d.Signature.String(), "wrong: the body is longer") {
		t.Errorf("body %q, cut %v, signature %v", d.Body, d.Cut, d.Signature)
	}
}

const token = "2b5da0eb6e95ed461cb2b1d121d4d9b164d83eb103cd5a532138b9ef02a52225"
