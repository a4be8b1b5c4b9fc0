package control

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/harness"
)

// A Reply is a harness.Reply as it is written in JSON: {"status": 503, "retryAfter": "3s", "times": 2}. Durations are as Go writes them,
// fault is one of hang, reset, truncate, drip and endless.
type Reply struct {
	When       *When             `json:"when,omitempty"`
	Times      int               `json:"times,omitempty"`
	Keep       bool              `json:"keep,omitempty"`
	Delay      string            `json:"delay,omitempty"`
	Hold       bool              `json:"hold,omitempty"` // until POST /release
	Status     int               `json:"status,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	Location   string            `json:"location,omitempty"`
	RetryAfter string            `json:"retryAfter,omitempty"`
	Fault      harness.Fault     `json:"fault,omitempty"`
	Pause      string            `json:"pause,omitempty"`
}

// When chooses deliveries: all that is given must fit. Body and Headers are regular expressions of Go; Attempt is 1 for the first one of
// a message.
type When struct {
	ID      string            `json:"id,omitempty"`
	Attempt int               `json:"attempt,omitempty"`
	Body    string            `json:"body,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// ParseReply reads a reply as a command line gives it: a status or a fault, then what shapes it, separated by commas, as in
// "503,retry-after=3s,times=2", "hang", "200,delay=1s,keep", "drip,pause=50ms,body=thanks", "307,location=/new", "500,attempt=1,keep".
// What follows body= is the body to its end.
func ParseReply(text string) (Reply, error) {
	var p Reply
	rest, body, hasBody := strings.Cut(","+text, ",body=")
	if hasBody {
		p.Body = body
	}
	for i, word := range strings.Split(strings.TrimPrefix(rest, ","), ",") {
		name, value, _ := strings.Cut(word, "=")
		if err := p.set(i, name, value); err != nil {
			return Reply{}, fmt.Errorf("reply %.100q is refused: %w; write it as 503,retry-after=3s,times=2 or as hang", text, err)
		}
	}
	_, err := p.reply(nil)
	return p, err
}

func (p *Reply) set(i int, name, value string) (err error) {
	switch name {
	case "keep":
		p.Keep = true
	case "times":
		p.Times, err = strconv.Atoi(value)
	case "attempt":
		p.When = &When{}
		p.When.Attempt, err = strconv.Atoi(value)
	case "delay":
		p.Delay = value
	case "pause":
		p.Pause = value
	case "retry-after":
		p.RetryAfter = value
	case "location":
		p.Location = value
	default:
		if i > 0 {
			return fmt.Errorf("%.40q is none of keep, times, attempt, delay, pause, retry-after, location, body", name)
		}
		if p.Status, err = strconv.Atoi(name); err != nil {
			p.Fault, err = harness.Fault(name), nil // judged with the rest
		}
	}
	return err
}

// replies makes what a receiver takes. Those with Hold wait for held.
func replies(all []Reply, held <-chan struct{}) ([]harness.Reply, error) {
	out := make([]harness.Reply, len(all))
	for i, p := range all {
		var err error
		if out[i], err = p.reply(held); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p Reply) reply(held <-chan struct{}) (harness.Reply, error) {
	out := harness.Reply{
		Times: p.Times, Keep: p.Keep, Status: p.Status, Header: p.Headers, Body: p.Body, Location: p.Location, Fault: p.Fault,
	}
	if p.Status != 0 && (p.Status < 200 || p.Status > 599) {
		return out, fmt.Errorf("status %d is refused: it ends no exchange; give 200 to 599", p.Status)
	}
	if p.Times < 0 {
		return out, fmt.Errorf("times %d is refused: a reply cannot be used less than once; give 1 or more, or keep", p.Times)
	}
	faults := []harness.Fault{"", harness.Hang, harness.Reset, harness.Truncate, harness.Drip, harness.Endless}
	if !slices.Contains(faults, p.Fault) {
		return out, fmt.Errorf("fault %.40q is refused: it is neither a status nor one of the faults; give one of %q", p.Fault, faults[1:])
	}
	if p.Hold {
		out.Hold = held
	}
	for _, d := range []struct {
		name, text string
		into       *time.Duration
	}{{"delay", p.Delay, &out.Delay}, {"retryAfter", p.RetryAfter, &out.RetryAfter}, {"pause", p.Pause, &out.Pause}} {
		if err := duration(d.name, d.text, d.into); err != nil {
			return out, err
		}
	}
	var err error
	out.When, err = p.When.predicate()
	return out, err
}

func duration(name, text string, into *time.Duration) (err error) {
	if text == "" {
		return nil
	}
	if *into, err = time.ParseDuration(text); err != nil || *into < 0 {
		return fmt.Errorf("%s %.40q is refused: it is not a duration; write it as 3s or 150ms", name, text)
	}
	return nil
}

// predicate is nil for nil.
func (w *When) predicate() (func(harness.Delivery) bool, error) {
	if w == nil {
		return nil, nil
	}
	body, err := expression("body", w.Body)
	if err != nil {
		return nil, err
	}
	headers := map[string]*regexp.Regexp{}
	for name, text := range w.Headers {
		if headers[name], err = expression(name, text); err != nil {
			return nil, err
		}
	}
	return func(d harness.Delivery) bool {
		if w.ID != "" && w.ID != d.ID || w.Attempt != 0 && w.Attempt != d.Repeat+1 || !body.Match(d.Body) {
			return false
		}
		for name, want := range headers {
			if !want.MatchString(d.Header.Get(name)) {
				return false
			}
		}
		return true
	}, nil
}

func expression(name, text string) (*regexp.Regexp, error) {
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s %.100q is refused: %w; give a regular expression of Go", name, text, err)
	}
	return compiled, nil
}

func (a *api) script(r *http.Request) (int, any, error) {
	var asked struct {
		Path    string  `json:"path"`
		Replies []Reply `json:"replies"`
	}
	if err := body(r, &asked); err != nil {
		return 0, nil, err
	}
	all, err := replies(asked.Replies, a.held())
	if err != nil {
		return 0, nil, err
	}
	a.part(asked.Path).Script(all...)
	return http.StatusNoContent, nil, nil
}

func (a *api) endpoint(r *http.Request) (int, any, error) {
	var asked struct {
		Path    string  `json:"path"`
		Secret  string  `json:"secret"`
		HMAC    string  `json:"hmac"`
		Replies []Reply `json:"replies"`
	}
	if err := body(r, &asked); err != nil {
		return 0, nil, err
	}
	if !strings.HasPrefix(asked.Path, "/") {
		return 0, nil, refuse(http.StatusBadRequest, "path %.100q is refused: an endpoint is a path of the receiver; give one such as /hook", asked.Path)
	}
	all, err := replies(asked.Replies, a.held())
	if err != nil {
		return 0, nil, err
	}
	p := a.part(asked.Path)
	if asked.HMAC != "" {
		h, err := harness.ParseHMAC(asked.HMAC, asked.Secret)
		if err != nil {
			return 0, nil, err
		}
		err = p.SetHMAC(h)
		if err != nil {
			return 0, nil, err
		}
	} else if asked.Secret != "" {
		if err := p.SetSecret(asked.Secret); err != nil {
			return 0, nil, err
		}
	}
	if asked.Replies != nil {
		p.Script(all...)
	}
	return http.StatusCreated, struct {
		URL string `json:"url"`
	}{p.URL()}, nil
}
