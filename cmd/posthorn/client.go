package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

// clientFlags are the settings of every verb that speaks to a running engine.
type clientFlags struct {
	serverFlag
	keyFlag

	JSON bool `help:"Print JSON: one document; of a list {\"data\": [...], \"nextCursor\": ...}." name:"json"`
}

// serverFlag says where the engine is.
type serverFlag struct {
	Server string `default:"http://127.0.0.1:8080" env:"POSTHORN_SERVER" help:"URL of the engine." placeholder:"URL"`
}

// companyFlags are those of the verbs that act for one company.
type companyFlags struct {
	clientFlags

	Company string `env:"POSTHORN_COMPANY" help:"The company to act for." placeholder:"ID" required:""`
}

// pageFlags ask for a part of a list.
type pageFlags struct {
	Limit  limit  `default:"50" help:"How many at the most, 1 to 250."`
	Cursor string `help:"Go on where a page before ended." placeholder:"CURSOR"`
}

// A limit is how many of a list are asked for.
type limit int

// UnmarshalText reads a flag's value.
func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > engine.MaxLimit {
		return fmt.Errorf("%.40q is refused: a page has 1 to %d; ask for so many, and go on with --cursor", text, engine.MaxLimit)
	}
	*l = limit(n)
	return nil
}

func (c companyFlags) list(p pageFlags) engine.ListQuery {
	return engine.ListQuery{Company: c.Company, Limit: int(p.Limit), Cursor: p.Cursor}
}

// open makes the client. It dials nothing yet.
func (c clientFlags) open() (*httpclient.Client, error) {
	client, err := httpclient.New(c.Server, httpclient.Options{Key: c.Key, UserAgent: "posthorn/" + version})
	return client, exitWith(exitUsage, err)
}

// answerTime bounds a request: an engine that says nothing for so long is as good as gone.
const answerTime = 30 * time.Second

// ask makes one request and prints what it gives.
func ask[T any](p *program, c clientFlags, do func(context.Context, *httpclient.Client) (T, error), show func(table, T)) error {
	_, err := askWithin(answerTime, p, c, do, show)
	return err
}

// askWithin is ask for a request that may take longer, and returns what it gave.
func askWithin[T any](most time.Duration, p *program, c clientFlags,
	do func(context.Context, *httpclient.Client) (T, error), show func(table, T),
) (got T, err error) {
	client, err := c.open()
	if err != nil {
		return got, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, most)
	defer cancel()
	if got, err = do(ctx, client); err != nil {
		return got, clientError(err)
	}
	return got, p.print(c.JSON, got, func(t table) { show(t, got) })
}

// askPage is ask for a part of a list. Where there is more, a person is told so on stderr.
func askPage[T any](p *program, c clientFlags, do func(context.Context, *httpclient.Client) (engine.Page[T], error), show func(table, []T)) error {
	client, err := c.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, answerTime)
	defer cancel()
	page, err := do(ctx, client)
	if err != nil {
		return clientError(err)
	}
	return printPage(p, c.JSON, page, show)
}

// printPage prints a part of a list.
func printPage[T any](p *program, asJSON bool, page engine.Page[T], show func(table, []T)) error {
	doc := pageDoc[T]{Data: page.Items, NextCursor: page.Next}
	if doc.Data == nil {
		doc.Data = []T{}
	}
	err := p.print(asJSON, doc, func(t table) { show(t, page.Items) })
	if err == nil && page.Next != "" && !asJSON {
		_, err = fmt.Fprintf(p.stderr, "there is more: repeat with --cursor %s\n", page.Next)
	}
	return err
}

// A pageDoc is a page as --json prints it: as /v1 answers it.
type pageDoc[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// clientError gives an error of the client its exit code: that nobody answered is not that the engine refused.
func clientError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in time: %w; repeat it, with its --idempotency-key if it makes something", err)
		return exitWith(exitUnreachable, err)
	}
	if errors.Is(err, httpclient.ErrUnreachable) {
		return exitWith(exitUnreachable, err)
	}
	return exitWith(exitFailed, err)
}

// done prints what a command without an answer did.
type done struct {
	Done string `json:"done"`
	ID   string `json:"id"`
}

func (d done) show(t table) { t.line("%s %s", d.Done, d.ID) }

// maxInput is the most that is read of a file or of stdin: what the engine takes, and a byte more to be refused there.
const maxInput = 512<<10 + 1

// text reads a flag's value: itself, the file after @, or stdin for -.
func (p *program) text(value string) ([]byte, error) {
	path, fromFile := strings.CutPrefix(value, "@")
	switch {
	case value == "-":
		return io.ReadAll(io.LimitReader(p.stdin, maxInput))
	case !fromFile:
		return []byte(value), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, exitWith(exitUsage, fmt.Errorf("data file cannot be read: %w; correct what follows the @", err))
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxInput))
	return raw, errors.Join(err, f.Close())
}
