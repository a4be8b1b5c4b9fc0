package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"strconv"

	"posthorn/adapters/badgerstore"
	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/ports"
)

type logCmd struct {
	Tail    logTailCmd    `cmd:"" help:"Print the events of a running engine, oldest first."`
	Verify  logVerifyCmd  `cmd:"" help:"Check the log, the rows and the vault of a stopped engine."`
	Export  logExportCmd  `cmd:"" help:"Write the log of a stopped engine as JSON Lines, an event a line. Of a running one, log tail --json prints it."`
	Rebuild logRebuildCmd `cmd:"" help:"Throw the rows of a stopped engine away and fold them again from its log."`
}

type logTailCmd struct {
	clientFlags

	Company string `env:"POSTHORN_COMPANY" help:"Only events of this company." placeholder:"ID"`
	Type    string `help:"Only events of this type, such as CallFailed." placeholder:"TYPE"`
	After   uint64 `help:"Only events after this seq." placeholder:"SEQ"`
	Follow  bool   `help:"Go on with new events until Ctrl-C." short:"f"`
	Count   int    `help:"End after N events; 0 does not count." name:"count" placeholder:"N" short:"n"`
}

// Run prints events, each as one line: with --json as JSON.
func (c *logTailCmd) Run(p *program) error {
	client, err := c.open()
	if err != nil {
		return err
	}
	printed := 0
	for event, err := range c.events(p.ctx, client) {
		if err != nil {
			return clientError(err)
		}
		if c.Type != "" && c.Type != event.Type {
			continue
		}
		if err := c.print(p.stdout, event); err != nil {
			return err
		}
		if printed++; printed == c.Count {
			break
		}
	}
	return nil
}

// events yields those of the log as it is now, or with --follow those to come, too.
func (c *logTailCmd) events(ctx context.Context, client *httpclient.Client) iter.Seq2[engine.Event, error] {
	if c.Follow {
		return client.FollowCompany(ctx, c.Company, c.After)
	}
	return func(yield func(engine.Event, error) bool) {
		q := engine.EventQuery{Company: c.Company, Type: c.Type, After: c.After, Limit: engine.MaxLimit}
		for {
			page, err := client.Events(ctx, q)
			for _, event := range page.Items {
				if !yield(event, nil) {
					return
				}
			}
			if err == nil && page.Next == "" {
				return
			}
			if err == nil {
				q.After, err = strconv.ParseUint(page.Next, 10, 64)
			}
			if err != nil {
				yield(engine.Event{}, err)
				return
			}
		}
	}
}

func (c *logTailCmd) print(w io.Writer, e engine.Event) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(e)
	}
	by := askedBy(e.By)
	if by != "" {
		by = "  by " + by
	}
	_, err := fmt.Fprintf(w, "%8d  %s  %-20s %s%s\n", e.Seq, stamp(e.At), e.Type, printable(string(e.Data)), printable(by))
	return err
}

// askedBy names who asked, by key and address, as far as they are known.
func askedBy(by *engine.Actor) string {
	switch {
	case by == nil:
		return ""
	case by.Key == "" || by.Remote == "":
		return by.Key + by.Remote
	}
	return by.Key + " from " + by.Remote
}

// storeFlags name the directory of a stopped engine.
type storeFlags struct {
	Data string `default:"posthorn-data" env:"POSTHORN_DATA" help:"Data directory of a stopped engine." placeholder:"DIR" type:"path"`
	JSON bool   `help:"Print the report as one JSON document." name:"json"`
}

type logVerifyCmd struct{ storeFlags }

// Run checks a store, folding its log into a store in a temporary directory beside which it is compared.
func (c *logVerifyCmd) Run(p *program) (err error) {
	store, err := c.open(p.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	dir, err := os.MkdirTemp("", "posthorn-verify-")
	if err != nil {
		return exitWith(exitCannotMake, fmt.Errorf("temporary directory cannot be made: %w; set TMPDIR to one that can be written", err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scratch, err := openStore(p.ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	report, err := engine.Verify(p.ctx, store, scratch)
	if err != nil {
		return err
	}
	if err := p.print(c.JSON, report, func(t table) { showVerified(t, report) }); err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("%s is not in order: %d problems, see above; restore a backup, or try posthorn log rebuild where only rows are wrong",
			c.Data, report.Count)
	}
	return nil
}

func showVerified(t table, r engine.VerifyReport) {
	t.field("entries", r.Entries)
	t.field("events", r.Events)
	t.field("rows", r.Rows)
	t.field("vault items", r.VaultItems)
	t.field("problems", r.Count)
	for _, problem := range r.Problems {
		t.line("  %s", printable(problem))
	}
}

type logRebuildCmd struct{ storeFlags }

// Run folds the rows again.
func (c *logRebuildCmd) Run(p *program) (err error) {
	store, err := c.open(p.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	report, err := engine.Rebuild(p.ctx, store)
	if err != nil {
		return err
	}
	return p.print(c.JSON, report, func(t table) {
		t.field("entries", report.Entries)
		t.field("events", report.Events)
		t.field("rows dropped", report.Dropped)
		t.field("rows folded", report.Rows)
	})
}

// open opens the store, and makes none where there is none.
func (c storeFlags) open(ctx context.Context) (*badgerstore.Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	keepPrivate()
	return openStore(ctx, c.Data)
}

// check refuses a directory in which no store can be.
func (c storeFlags) check() error {
	found, err := os.ReadDir(c.Data)
	if err != nil {
		return exitWith(exitUsage, fmt.Errorf("data directory cannot be read: %w; correct --data", err))
	}
	if len(found) == 0 {
		return exitWith(exitUsage, fmt.Errorf("data directory %s is refused: it is empty, no engine has run there; correct --data", c.Data))
	}
	return nil
}

func openStore(ctx context.Context, dir string) (*badgerstore.Store, error) {
	store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if errors.Is(err, ports.ErrDamaged) {
		return nil, exitWith(exitFailed, err)
	}
	if err != nil {
		return nil, exitWith(openCode(err), err)
	}
	return store, nil
}
