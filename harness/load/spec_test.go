package load

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestSpecRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "target is refused: it is not YAML",
		"url: x\nurll: y":                    "field urll not found",
		"url: ftp://x":                       `target is refused: url "ftp://x" is no http or https URL; correct it`,
		"url: 'http://{{'":                   "unclosed action",
		"url: http://x\ncorrelate: body:x":   `correlate: id "body:x" refused`,
		"url: http://x\nsignature: X":        `HMAC "X" refused`,
		"url: http://x\nsignature: 'X: hex'": "a secret",
		"url: http://x\nregister: {url: http://x, id: x}": `register.id: id "x" refused`,
		"url: http://x\nunregister: {url: x}":             `unregister.url "x"`,
		"url: http://x\nheaders: {A: '{{nothing}}'}":      `function "nothing" not defined`,
		"url: http://x\nbody: '{{.Number}}'":              "can't evaluate field Number",
		"url: '{{env \"LOAD_TEST_NONE\"}}/orders'":        `environment variable "LOAD_TEST_NONE" is not set`,
		"url: '{{.Company}}/orders'":                      `url "company/orders" is no http or https URL`,
	} {
		spec, err := ReadSpec(strings.NewReader(text))
		if err == nil {
			_, err = HTTP(spec, http.DefaultClient)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestSpecFillsItsRequests(t *testing.T) {
	t.Setenv("LOAD_TEST_KEY", "k-1")
	var got []string
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-Key")+" "+r.Header.Get("Content-Type")+" "+string(body))
		return &http.Response{StatusCode: http.StatusCreated, Body: io.NopCloser(strings.NewReader(`{"id":"evt_1","hook":{"id":7,"secret":"s"}}`))}, err
	})}
	spec, err := ReadSpec(strings.NewReader(`
url: http://sender.example/{{.Company}}/send?n={{.N}}
headers: {x-key: '{{env "LOAD_TEST_KEY"}}'}
body: '{"to":"{{.Receiver}}","id":"{{.ID}}","pad":"{{.Payload}}"}'
correlate: header:x-id
answer: json:/id
register: {method: PUT, url: 'http://sender.example/hooks/{{.Company}}', body: '{{.URL}}', id: json:/hook/id, secret: json:/hook/secret}
unregister: {method: DELETE, url: 'http://sender.example/hooks/{{.ID}}'}
`))
	if err != nil {
		t.Fatal(err)
	}
	target, err := HTTP(spec, client)
	if err != nil {
		t.Fatal(err)
	}
	hook, err := target.Register(t.Context(), Subscription{Company: "c0", URL: "http://me/0"})
	if err != nil || hook != (Webhook{Company: "c0", URL: "http://me/0", ID: "7", Secret: "s"}) {
		t.Errorf("%+v, %v", hook, err)
	}
	id, err := target.Trigger(t.Context(), Message{N: 3, ID: "run-3", Company: "c0", Receiver: "http://me/0", Payload: "pp"})
	if err != nil || id != "evt_1" {
		t.Errorf("%s, %v", id, err)
	}
	if err := target.Unregister(t.Context(), hook); err != nil {
		t.Error(err)
	}
	want := []string{
		"PUT http://sender.example/hooks/c0   http://me/0",
		`POST http://sender.example/c0/send?n=3 k-1 application/json {"to":"http://me/0","id":"run-3","pad":"pp"}`,
		"DELETE http://sender.example/hooks/7   ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
