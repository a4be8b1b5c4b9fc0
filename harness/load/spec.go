package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"

	"posthorn/harness"
)

// A Spec describes a sender that is not ours: how it is triggered, and how what it delivers is recognized and verified. URL, headers and
// bodies are templates (text/template); {{env "NAME"}} is an environment variable, which must be set, for
// keys that must not stand in a file.
type Spec struct {
	// Name stands in reports; empty means the URL as it is written.
	Name string `yaml:"name"`
	// Request triggers one message. Its templates know those fields of Message: {{.ID}}, {{.N}}, {{.Company}}, {{.Receiver}},
	// {{.Payload}}. They are not escaped: ids, companies and payloads are letters, digits and dashes.
	Request `yaml:",inline"`
	// Correlate says where a delivery has the id of its message: header:NAME or json:POINTER (RFC 6901).
	Correlate string `yaml:"correlate"`
	// Answer says, in the same form, where the answer to a trigger has the id that the sender gave to the message, if that is what
	// deliveries bear. Empty means that they bear {{.ID}}.
	Answer string `yaml:"answer"`
	// Signature is the header that a delivery is signed with, as in "X-Hub-Signature-256: sha256=hex"; see harness.ParseHMAC. Its key
	// is Secret, a template as well. Empty verifies nothing, unless Register answers with a Standard Webhooks secret.
	Signature string `yaml:"signature"`
	Secret    string `yaml:"secret"`
	// Register and Unregister make and remove a webhook, if the sender has such routes. Their templates know {{.Company}} and {{.URL}},
	// that of the receiver, and Unregister {{.ID}}, that of the webhook.
	Register   *Registration `yaml:"register"`
	Unregister *Request      `yaml:"unregister"`
}

// A Request is one that a sender takes. Method is POST if empty.
type Request struct {
	Method  string            `yaml:"method"`
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
}

// A Registration is a request whose answer has the webhook's id and its secret, where ID and Secret say, in the form of Correlate.
type Registration struct {
	Request `yaml:",inline"`
	ID      string `yaml:"id"`
	Secret  string `yaml:"secret"`
}

// ReadSpec reads a spec from YAML. Names that it does not know are refused.
func ReadSpec(r io.Reader) (Spec, error) {
	var s Spec
	decoder := yaml.NewDecoder(r)
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil {
		return Spec{}, fmt.Errorf("target is refused: it is not YAML as a target has it, %w; correct it", err)
	}
	return s, nil
}

// HTTP is the sender that the spec describes. It fails if the spec cannot be understood; it makes no request.
func HTTP(s Spec, client *http.Client) (Target, error) {
	h, err := newForeign(s, client)
	if err != nil {
		return Target{}, fmt.Errorf("target is refused: %w; correct it", err)
	}
	t := Target{Name: cmp.Or(s.Name, s.URL), Trigger: h.trigger, ID: h.id, HMAC: h.hmac}
	if s.Register != nil {
		t.Register = h.register
	}
	if s.Unregister != nil {
		t.Unregister = h.unregister
	}
	return t, nil
}

// finder looks for an id; an error of making it names the field of the spec.
type finder = func(http.Header, []byte) string

type foreign struct {
	client                    *http.Client
	send, subscribe, leave    *form
	id, answer, hookID, token finder
	hmac                      harness.HMAC
}

func newForeign(s Spec, client *http.Client) (*foreign, error) {
	h, hook := &foreign{client: client}, Webhook{Company: "company", URL: "https://receiver.example/path", ID: "id"}
	var errs []error
	h.send = parseForm("", &s.Request, Message{ID: "id", Company: "company", Receiver: hook.URL, Payload: "payload"}, &errs)
	h.id = parseFinder("correlate", cmp.Or(s.Correlate, "header:webhook-id"), &errs)
	h.answer = parseFinder("answer", s.Answer, &errs)
	if s.Register != nil {
		h.subscribe = parseForm("register.", &s.Register.Request, hook, &errs)
		h.hookID = parseFinder("register.id", s.Register.ID, &errs)
		h.token = parseFinder("register.secret", s.Register.Secret, &errs)
	}
	if s.Unregister != nil {
		h.leave = parseForm("unregister.", s.Unregister, hook, &errs)
	}
	if s.Signature != "" {
		secret, err := parseText("secret", s.Secret).fill(nil)
		if err == nil {
			h.hmac, err = harness.ParseHMAC(s.Signature, secret)
		}
		errs = append(errs, err)
	}
	return h, errors.Join(errs...)
}

func parseFinder(field, text string, errs *[]error) finder {
	if text == "" {
		return nil
	}
	find, err := harness.ParseID(text)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("%s: %w", field, err))
	}
	return find
}

func (h *foreign) trigger(ctx context.Context, m Message) (string, error) {
	body, err := h.send.do(ctx, h.client, m)
	if err != nil || h.answer == nil {
		return "", err
	}
	id := h.answer(nil, body)
	if id == "" {
		return "", fmt.Errorf("the answer %.200q has no id where the target's answer says", body)
	}
	return id, nil
}

func (h *foreign) register(ctx context.Context, s Subscription) (Webhook, error) {
	w := Webhook{Company: s.Company, URL: s.URL}
	body, err := h.subscribe.do(ctx, h.client, w)
	if err != nil {
		return w, err
	}
	if h.hookID != nil {
		w.ID = h.hookID(nil, body)
	}
	if h.token != nil {
		w.Secret = h.token(nil, body)
	}
	return w, nil
}

func (h *foreign) unregister(ctx context.Context, w Webhook) error {
	_, err := h.leave.do(ctx, h.client, w)
	return err
}

// A form is a request with its templates parsed.
type form struct {
	method    string
	url, body text
	headers   map[string]text
}

// parseForm tries the templates on a sample, so that what is wrong with them is found before the run.
func parseForm(prefix string, r *Request, sample any, errs *[]error) *form {
	f := &form{
		method: cmp.Or(r.Method, http.MethodPost), url: parseText(prefix+"url", r.URL), body: parseText(prefix+"body", r.Body),
		headers: map[string]text{},
	}
	for name, value := range r.Headers {
		f.headers[http.CanonicalHeaderKey(name)] = parseText(prefix+"headers."+name, value)
	}
	x, err := f.fill(sample)
	if u, wrong := url.Parse(x.url); err == nil && (wrong != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = fmt.Errorf("%surl %.100q is no http or https URL", prefix, x.url)
	}
	*errs = append(*errs, err)
	return f
}

// fill makes the request with the templates filled from data.
func (f *form) fill(data any) (x exchange, err error) {
	x = exchange{method: f.method, header: http.Header{}}
	if x.url, err = f.url.fill(data); err != nil {
		return x, err
	}
	body, err := f.body.fill(data)
	if err != nil {
		return x, err
	}
	x.body = []byte(body)
	for name, value := range f.headers {
		filled, err := value.fill(data)
		if err != nil {
			return x, err
		}
		x.header.Set(name, filled)
	}
	if body != "" && x.header.Get("Content-Type") == "" && json.Valid(x.body) {
		x.header.Set("Content-Type", "application/json")
	}
	return x, nil
}

// do fills the request, and makes it.
func (f *form) do(ctx context.Context, client *http.Client, data any) ([]byte, error) {
	x, err := f.fill(data)
	if err != nil {
		return nil, err
	}
	x.client = client
	return x.do(ctx)
}

// A text is a template, or the error that it is none.
type text struct {
	plain string // if it is not nothing, there is no template
	parts *template.Template
	err   error
}

func parseText(field, source string) text {
	if !strings.Contains(source, "{{") {
		return text{plain: source}
	}
	parts, err := template.New(field).Option("missingkey=error").Funcs(template.FuncMap{"env": environment}).Parse(source)
	return text{parts: parts, err: err}
}

// environment is a variable that must be set, be it to nothing: a key that is missing would else be seen as a refusal by the sender.
func environment(name string) (string, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("environment variable %.60q is not set", name)
	}
	return value, nil
}

func (t text) fill(data any) (string, error) {
	if t.parts == nil {
		return t.plain, t.err
	}
	var b bytes.Buffer
	err := t.parts.Execute(&b, data)
	return b.String(), err
}
