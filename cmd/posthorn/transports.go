package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"posthorn/adapters/kafka"
	"posthorn/adapters/nats"
	"posthorn/adapters/sqs"
	"posthorn/adapters/watermillbus"
	"posthorn/ports"
)

// transportFlag says what carries tasks and outcomes.
type transportFlag struct {
	Transport string `default:"gochannel:" env:"POSTHORN_TRANSPORT" help:"What carries tasks and outcomes: gochannel: within this process, or kafka://HOST:PORT, sqs://REGION, nats://HOST:PORT, with ?prefix=NAME for the topics." placeholder:"URL" url:""` //nolint:lll // a tag
}

// A transport is what the flag's URL names.
type transport struct {
	prefix string // of the topics; empty for the default
	// open begins to connect, and returns at once, whether or not a broker is there. It is nil for the transport within one process, which
	// whoever uses it makes.
	open func(ctx context.Context, log *slog.Logger) (ports.Bus, error)
}

func (t transport) local() bool { return t.open == nil }

// maxPrefix leaves room for what follows it: with an engine's id and ".outcomes.rejected" a name has at most the 80 characters of SQS.
const maxPrefix = 30

var prefixForm = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9-]{1,%d}$`, maxPrefix))

// transport reads the URL, and connects nowhere. Errors hold no password.
func (f transportFlag) transport() (t transport, err error) {
	rest, err := t.takePrefix(f.Transport)
	if err != nil {
		return t, exitWith(exitUsage, err)
	}
	switch scheme, _, _ := strings.Cut(rest, ":"); {
	case rest == "gochannel:", rest == "gochannel://":
	case scheme == "gochannel":
		err = errors.New("transport gochannel is refused: it has no parameter but prefix; leave out the rest")
	case scheme == "kafka":
		t.open, err = overKafka(rest)
	case scheme == "sqs":
		t.open, err = overSQS(rest)
	case scheme == "nats", scheme == "tls":
		t.open, err = overNATS(rest)
	default:
		err = fmt.Errorf("transport %.20q is refused: there is none of that name; write gochannel:, kafka://HOST:PORT, sqs://REGION or nats://HOST:PORT",
			scheme)
	}
	return t, exitWith(exitUsage, err)
}

// takePrefix takes our own parameter out of a URL, and leaves the rest as it is for the adapter.
func (t *transport) takePrefix(raw string) (rest string, err error) {
	base, query, _ := strings.Cut(raw, "?")
	var others []string
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		if name != "prefix" {
			others = append(others, parameter)
			continue
		}
		prefix, err := url.QueryUnescape(value)
		if err != nil || t.prefix != "" || !prefixForm.MatchString(prefix) {
			return "", fmt.Errorf("topic prefix %.40q is refused: it begins all topic names, once; write 1 to %d letters, digits and hyphens", value, maxPrefix)
		}
		t.prefix = prefix
	}
	if rest = strings.Join(others, "&"); rest != "" {
		return base + "?" + rest, nil
	}
	return base, nil
}

// withPrefix gives a URL without a prefix one.
func withPrefix(raw, prefix string) string {
	if strings.Contains(raw, "?") {
		return raw + "&prefix=" + prefix
	}
	return raw + "?prefix=" + prefix
}

// A carrier is what the adapters open.
type carrier interface {
	message.Publisher
	message.Subscriber
	Health(ctx context.Context) error
}

func overKafka(raw string) (func(context.Context, *slog.Logger) (ports.Bus, error), error) {
	o, err := kafka.ParseURL(raw)
	return func(ctx context.Context, log *slog.Logger) (ports.Bus, error) {
		o.Logger = log
		t, err := kafka.Open(ctx, o)
		return busOver(t, err, log)
	}, err
}

func overSQS(raw string) (func(context.Context, *slog.Logger) (ports.Bus, error), error) {
	o, err := sqs.ParseURL(raw)
	return func(ctx context.Context, log *slog.Logger) (ports.Bus, error) {
		o.Logger = log
		t, err := sqs.Open(ctx, o)
		return busOver(t, err, log)
	}, err
}

func overNATS(raw string) (func(context.Context, *slog.Logger) (ports.Bus, error), error) {
	o, err := nats.ParseURL(raw)
	return func(ctx context.Context, log *slog.Logger) (ports.Bus, error) {
		o.Logger = log
		t, err := nats.Open(ctx, o)
		return busOver(t, err, log)
	}, err
}

func busOver(t carrier, err error, log *slog.Logger) (ports.Bus, error) {
	if err != nil {
		return nil, exitWith(exitIO, fmt.Errorf("transport cannot be opened: %w; correct --transport", err))
	}
	return watermillbus.New(t, t, watermillbus.Options{Logger: log, Health: t.Health}), nil
}

// withoutPassword masks what stands before the @ of a URL, where a password may be. A proxy may be given without its scheme.
func withoutPassword(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	scheme, _, ok := strings.Cut(raw[:at], "://")
	if ok {
		scheme += "://"
	} else {
		scheme = ""
	}
	return scheme + "********" + raw[at:]
}
