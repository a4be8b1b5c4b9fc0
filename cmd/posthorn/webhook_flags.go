package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"posthorn/engine"
)

// webhookFlags are the settings of a webhook that may be given or not.
type webhookFlags struct {
	Filter      *string           `help:"Condition in CEL on the message, such as 'data.amount > 100'; itself, @FILE, or - for stdin." placeholder:"CEL"`
	Header      []string          `help:"Header of every attempt, as 'Name: value'. Repeatable. Others can see flags: give secrets by --header-file." placeholder:"HEADER" sep:"none"` //nolint:lll // a tag
	HeaderFile  string            `help:"File of such headers, one a line." placeholder:"FILE" type:"path"`
	Description *string           `help:"Free text." placeholder:"TEXT"`
	Metadata    map[string]string `help:"Key and value of your own. Repeatable." mapsep:"none" placeholder:"KEY=VALUE"`
	Schedule    []time.Duration   `help:"Waits between attempts, such as 5s,5m,2h." placeholder:"WAIT"`
	NoRetry     bool              `help:"A single attempt, no schedule." xor:"schedule"`
	Timeout     *time.Duration    `help:"What one attempt may take, 1s to 1m." placeholder:"15s"`
	MaxAge      *time.Duration    `help:"A call ends when its message is older than this; 0s for never." placeholder:"48h"`
	InFlight    *int              `help:"The most attempts under way at once, 1 to 64; 0 for the most." placeholder:"N"`
	Rate        *float64          `help:"The most attempts a second, 0.01 to 10000; 0 for no limit." placeholder:"N"`
	Sequential  *bool             `help:"A call waits until the one before it has ended." negatable:""`
}

// edit is what was given; the rest of it is nil.
func (f *webhookFlags) edit(p *program) (engine.WebhookEdit, error) {
	out := engine.WebhookEdit{
		Description: f.Description, Metadata: f.Metadata, Schedule: f.Schedule, Timeout: f.Timeout, MaxAge: f.MaxAge,
		InFlight: f.InFlight, Rate: f.Rate, Sequential: f.Sequential,
	}
	if f.NoRetry {
		out.Schedule = []time.Duration{}
	}
	if f.Filter != nil {
		text, err := p.text(*f.Filter)
		if err != nil {
			return out, err
		}
		filter := strings.TrimSpace(string(text))
		out.Filter = &filter
	}
	var err error
	out.Headers, err = f.headers()
	return out, err
}

// headers reads them from where they were given; nil if none were. No error shows a value.
func (f *webhookFlags) headers() (map[string]string, error) {
	lines, from := f.Header, "--header"
	if f.HeaderFile != "" {
		raw, err := os.ReadFile(f.HeaderFile)
		if err != nil {
			return nil, refuse("headers cannot be read: %w; correct --header-file", err)
		}
		for line := range strings.Lines(string(raw)) {
			if strings.TrimSpace(line) != "" {
				lines, from = append(lines, line), "--header and --header-file"
			}
		}
	}
	var out map[string]string
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, refuse("header %d of %s is refused: it has no colon; write it as 'Name: value'", i+1, from)
		}
		name = strings.TrimSpace(name)
		if _, twice := out[name]; twice {
			return nil, refuse("header %q is refused: it was given twice; leave one out", name)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// secretFlags give a secret in place of a random one.
type secretFlags struct {
	Secret     string `help:"Key of the signatures, whsec_ and base64 of 24 to 64 bytes; a random one if not given. Others can see flags: rather give a file." placeholder:"SECRET" xor:"secret"` //nolint:lll // a tag
	SecretFile string `help:"File that holds it; - is stdin." placeholder:"FILE" type:"path" xor:"secret"`
}

func (f *secretFlags) secret(p *program) (string, error) {
	if f.SecretFile == "" {
		return f.Secret, nil
	}
	from := "@" + f.SecretFile
	if f.SecretFile == "-" {
		from = f.SecretFile
	}
	raw, err := p.text(from)
	if err != nil {
		return "", err
	}
	if secret := strings.TrimSpace(string(raw)); secret != "" {
		return secret, nil
	}
	return "", fmt.Errorf("the secret is refused: %s is empty; put whsec_ and base64 of 24 to 64 bytes there", f.SecretFile)
}
