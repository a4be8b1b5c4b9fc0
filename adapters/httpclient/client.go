package httpclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// ErrUnreachable says that no engine answered at the address.
var ErrUnreachable = errors.New("server unreachable")

// Options of a Client. The zero value works against a server that asks for no key.
type Options struct {
	// Key is the API key; empty sends none.
	Key string
	// HTTP makes the requests; nil is http.DefaultClient. A Timeout of its own would end Follow.
	HTTP *http.Client
	// UserAgent is sent with each request; empty means Posthorn-Client.
	UserAgent string
}

// A Client speaks to one server. It is safe for concurrent use and holds no goroutine. Every method ends with its context.
//
// Errors match the sentinels of package ports, or are an *engine.InvalidError, as the engine's own. Besides, an error may match
// ErrUnreachable; a command whose connection broke after it was sent matches ports.ErrUnknownOutcome too: repeat it with its key.
type Client struct {
	base    string
	options Options
}

// New returns a client of the server at base, such as http://127.0.0.1:8080 or https://host/prefix. It makes no request.
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("server address %s is refused: it is no http or https URL; give one like http://127.0.0.1:8080", shown(base))
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("server address %s is refused: it has a query, fragment or user; give scheme, host and path", shown(base))
	}
	o.UserAgent = cmp.Or(o.UserAgent, "Posthorn-Client")
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	return &Client{base: strings.TrimRight(u.String(), "/"), options: o}, nil
}

// shown leaves out what may hold a password.
func shown(base string) string {
	if at := strings.LastIndex(base, "@"); at >= 0 {
		base = "..." + base[at:]
	}
	return core.Show(base)
}

// A request is one exchange. In and out are JSON; nil for none.
type request struct {
	method, path string
	query        url.Values
	key          string // Idempotency-Key
	in, out      any
	raw          []byte // sent in place of in
}

func (c *Client) do(ctx context.Context, r request) (err error) {
	answer, err := c.send(ctx, r, "application/json")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if r.out == nil {
		return nil
	}
	// The answer is not capped: the server is one that the caller trusts with the commands.
	if err := json.NewDecoder(answer.Body).Decode(r.out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what a Posthorn server sends: %w; check the address", r.method, c.base+r.path, err)
	}
	return nil
}

// send returns an answer with a 2xx status, whose body the caller closes.
func (c *Client) send(ctx context.Context, r request, accept string) (*http.Response, error) {
	var body io.Reader
	kind := "application/json"
	if r.raw != nil {
		body, kind = bytes.NewReader(r.raw), octets
	} else if r.in != nil {
		raw, err := json.Marshal(r.in)
		if err != nil {
			return nil, invalid("fields", fmt.Sprintf("a value cannot be written as JSON: %v; change it", err))
		}
		body = bytes.NewReader(raw)
	}
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, c.base+r.path, err)
	}
	request.Header.Set("User-Agent", c.options.UserAgent)
	request.Header.Set("Accept", accept)
	if r.key != "" {
		request.Header.Set("Idempotency-Key", r.key)
	}
	if c.options.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	if body != nil {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := c.options.HTTP.Do(request)
	if err != nil {
		return nil, c.unreached(ctx, r, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, c.problem(r, answer)
	}
	return answer, nil
}

// unreached tells a server that was not there, and so did nothing, from one that fell silent, which may have done the command.
func (c *Client) unreached(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", r.method, c.base+r.path, ctx.Err())
	}
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // the method and address are told once
	}
	dialing, ok := errors.AsType[*net.OpError](err)
	if r.method == http.MethodGet || ok && dialing.Op == "dial" {
		return fmt.Errorf("%w: no answer from %s: %w; start it with `posthorn serve`, or give its address", ErrUnreachable, c.base, err)
	}
	return fmt.Errorf("%w: no answer from %s: %w: %w; repeat the command with the same idempotency key",
		ErrUnreachable, c.base, err, ports.ErrUnknownOutcome)
}

// place joins segments to a path below a company. An empty segment would name another route, or none.
func place(company string, segments ...string) (string, error) {
	if company == "" {
		return "", invalid("company", "no company was given; every webhook, candidate and message belongs to one; name it")
	}
	path := []string{"/v1/companies", escape(company)}
	for _, s := range segments {
		if s == "" {
			return "", invalid("id", "no id was given; the command is for one thing; name it")
		}
		path = append(path, escape(s))
	}
	return strings.Join(path, "/"), nil
}

func invalid(field, text string) error {
	return &engine.InvalidError{Problems: []engine.Problem{{Field: field, Text: text}}}
}

// escape hides dots that are a whole segment: proxies would take them for directories.
func escape(segment string) string {
	if segment == "." || segment == ".." {
		return strings.ReplaceAll(segment, ".", "%2E")
	}
	return url.PathEscape(segment)
}

// ask makes a request below a company and decodes its answer.
func ask[T any](ctx context.Context, c *Client, r request, company string, segments ...string) (T, error) {
	var out T
	path, err := place(company, segments...)
	if err != nil {
		return out, err
	}
	r.path, r.out = path, &out
	err = c.do(ctx, r)
	return out, err
}

// tell is ask for what answers nothing.
func (c *Client) tell(ctx context.Context, r request, company string, segments ...string) error {
	path, err := place(company, segments...)
	if err != nil {
		return err
	}
	r.path = path
	return c.do(ctx, r)
}
