package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"posthorn/harness"
	"posthorn/harness/control"
)

// listenCmd is a receiver for trying things out, and for tests that are not in Go.
type listenCmd struct {
	Listen string      `default:"127.0.0.1:0" help:"Address to listen on; port 0 takes a free one." placeholder:"ADDR"`
	TLS    harness.TLS `help:"Speak HTTPS with a certificate that is trusted (by --ca-file), self-signed, expired or wrong-name." name:"tls" placeholder:"KIND"`
	CAFile string      `help:"Write the authority that signed the certificate to FILE, for curl --cacert or SSL_CERT_FILE." name:"ca-file" placeholder:"FILE" type:"path"` //nolint:lll // a tag

	Secret string `help:"Secret of the webhook: what arrives is verified with it." placeholder:"SECRET"`
	HMAC   string `help:"Verify a header of the sender's own, written with hex or base64 for the digest: 'X-Hub-Signature-256: sha256=hex'." name:"hmac" placeholder:"FORM"` //nolint:lll // a tag
	ID     string `default:"header:webhook-id" help:"Where a delivery has its message's id: header:NAME or json:/POINTER." name:"id" placeholder:"WHERE"`

	Status  int      `default:"204" help:"Status to answer with when no reply is scripted, 200 to 599."`
	Reply   []string `help:"Script an answer, in turn: STATUS or hang, reset, truncate, drip, endless; then ,times=N ,keep ,attempt=N ,delay=D ,retry-after=D ,location=URL ,pause=D ,body=TEXT." placeholder:"REPLY" sep:"none"` //nolint:lll // a tag
	Forward string   `help:"Pass on what no scripted reply answers to URL, and give its answer." placeholder:"URL"`

	Count   int           `help:"End after N deliveries; 0 goes on until Ctrl-C." name:"count" placeholder:"N" short:"n"`
	Expect  []string      `help:"End when the messages with these ids have come." placeholder:"ID"`
	Timeout time.Duration `help:"End after this time; with --count or --expect it is then an error that not all have come." placeholder:"D"`

	JSON         bool   `help:"Print JSON lines: first the addresses, then each delivery." name:"json"`
	Quiet        bool   `help:"Print the addresses only; the control API tells the rest."`
	Control      string `help:"Offer the control API, a JSON API for tests, on this address of the loopback; port 0 takes a free one." placeholder:"ADDR"`
	ControlToken string `env:"POSTHORN_CONTROL_TOKEN" help:"Token that the control API demands; with it, it may be on any address." placeholder:"TOKEN"`
}

// Run prints what arrives until Ctrl-C, or until what it waits for has come. It fails when that does not come in time, or when a delivery
// failed a check.
func (c *listenCmd) Run(p *program) error {
	o, script, err := c.options(p.ctx)
	if err != nil {
		return err
	}
	// The receiver outlives the wait, so that the last sender gets its answer.
	r, err := harness.Start(context.WithoutCancel(p.ctx), o)
	if err != nil {
		return exitWith(exitIO, err)
	}
	defer func() { _ = r.Close() }() // always nil
	out := &listenPrinter{w: p.stdout, json: c.JSON, quiet: c.Quiet}
	if c.Forward != "" {
		f := newForwarder(c.Forward, out)
		defer f.close()
		r.Reply(f.reply())
	} else {
		r.Reply(harness.Reply{Status: c.Status, Keep: true})
	}
	r.Reply(script...)
	stop, err := c.announce(p, r, out)
	if err != nil {
		return err
	}
	defer stop()
	return c.attend(p, r, out)
}

// options reads the flags. What is wrong in them is found before anything is listened on.
func (c *listenCmd) options(ctx context.Context) (o harness.Options, script []harness.Reply, err error) {
	o = harness.Options{Listen: c.Listen, TLS: c.TLS, Secret: c.Secret}
	if c.Status < 200 || c.Status > 599 || c.Count < 0 || c.Timeout < 0 {
		return o, nil, refuse("status %d, count %d or timeout %v is refused: a status is 200 to 599, and the others are not negative; change it",
			c.Status, c.Count, c.Timeout)
	}
	if err := checkAddress(ctx, c.Listen); err != nil {
		return o, nil, err
	}
	if err := c.checkControl(ctx); err != nil {
		return o, nil, err
	}
	if c.CAFile != "" && c.TLS == harness.NoTLS {
		return o, nil, refuse("--ca-file %s is refused: without --tls there is no certificate; give --tls trusted", c.CAFile)
	}
	if target, err := url.Parse(c.Forward); c.Forward != "" && (err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "") {
		return o, nil, refuse("--forward %.200q is refused: it is not a URL with http or https and a host; write it as http://127.0.0.1:3000", c.Forward)
	}
	if c.HMAC != "" {
		if o.HMAC, err = harness.ParseHMAC(c.HMAC, c.Secret); err != nil {
			return o, nil, exitWith(exitUsage, err)
		}
		o.Secret = ""
	}
	if o.ID, err = harness.ParseID(c.ID); err != nil {
		return o, nil, exitWith(exitUsage, err)
	}
	script, err = c.script()
	return o, script, exitWith(exitUsage, errors.Join(err, o.Validate()))
}

func (c *listenCmd) script() ([]harness.Reply, error) {
	parsed := make([]control.Reply, len(c.Reply))
	for i, text := range c.Reply {
		var err error
		if parsed[i], err = control.ParseReply(text); err != nil {
			return nil, err
		}
	}
	return control.NewScript(parsed...)
}

// announce starts the control API if it is asked for, and tells all addresses. stop ends the API.
func (c *listenCmd) announce(p *program, r *harness.Receiver, out *listenPrinter) (stop func(), err error) {
	stop = func() {}
	if c.CAFile != "" {
		if err := os.WriteFile(c.CAFile, r.CA(), 0o600); err != nil {
			return stop, exitWith(exitCannotMake, fmt.Errorf("write the authority: %w; give another --ca-file", err))
		}
	}
	at := ""
	if c.Control != "" {
		api, err := startControl(p.ctx, c.Control, control.Handler(r, control.Options{Token: c.ControlToken}))
		if err != nil {
			return stop, err
		}
		stop, at = api.close, api.url
	}
	if err := out.addresses(r.URL(), at); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
