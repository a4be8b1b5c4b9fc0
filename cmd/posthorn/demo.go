package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"posthorn/harness"
)

// demoCmd shows the whole way of a call, in one process and a temporary directory.
type demoCmd struct {
	Once   bool   `help:"End after the story, with exit code 0 if all of it came true."`
	Listen string `default:"127.0.0.1:0" help:"Address for the engine; port 0 takes a free one." placeholder:"ADDR"`
	transportFlag
}

// A step of the story may take this long; each takes a second at the most on a slow machine.
const stepTime = 20 * time.Second

// Run tells the story, then stays until Ctrl-C.
func (c *demoCmd) Run(p *program) (err error) {
	over, err := c.transport()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "posthorn-demo-")
	if err != nil {
		return exitWith(exitCannotMake, fmt.Errorf("temporary directory cannot be made: %w; set TMPDIR to one that can be written", err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	receiver, err := harness.Start(context.WithoutCancel(p.ctx), harness.Options{})
	if err != nil {
		return exitWith(exitIO, err)
	}
	defer func() { _ = receiver.Close() }() // always nil
	serve := serveFlags{Data: dir, Listen: c.Listen, workFlags: workFlags{Dev: true, transportFlag: c.transportFlag}}
	if !over.local() && over.prefix == "" {
		// The engine's key is as new as its directory: it must not read what another one has left in the broker.
		serve.Transport = withPrefix(c.Transport, "posthorn-demo-"+strings.ToLower(rand.Text()[:8]))
	}
	s, err := serve.start(p.ctx, slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop(time.Second)) }()

	tale := &story{out: p.stdout, service: s, receiver: receiver, transport: serve.Transport}
	ctx, cancel := context.WithTimeout(p.ctx, 3*stepTime)
	defer cancel()
	if err := tale.tell(ctx, dir); err != nil {
		return fmt.Errorf("the demonstration failed: %w; report it, with what stands above", err)
	}
	if c.Once {
		return nil
	}
	return tale.stay(p.ctx)
}

// tell goes through the chapters. The first that does not come true ends it.
func (t *story) tell(ctx context.Context, dir string) error {
	t.say("Posthorn %s: an engine with its data in %s, and a receiver for it to call.\n  engine    %s\n  receiver  %s\n  transport %s",
		version, dir, t.service.url, t.receiver.URL(), withoutPassword(t.transport))
	for _, chapter := range []func(context.Context) error{
		t.register, t.create, t.arrive, t.history, t.registerFlaky, t.publish, t.retried, t.attempts,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return t.err
}

// stay prints what else arrives, until Ctrl-C.
func (t *story) stay(ctx context.Context) error {
	t.say("The engine goes on, and whatever the receiver gets is shown here. Ctrl-C ends it all. Try:\n%s", t.suggestions())
	if t.err != nil {
		return t.err
	}
	err := watch(ctx, t.receiver, t.seen, func(d harness.Delivery) (bool, error) {
		t.arrived(d)
		return true, t.err
	})
	if ended(err) {
		_, err = io.WriteString(t.out, "\nStopped; the temporary directory is removed.\n")
	}
	return err
}

func (t *story) suggestions() string {
	return fmt.Sprintf(`  curl -s %[1]s/candidates -d '{"companyId":"42","email":"grace@example.com","firstName":"Grace","lastName":"Hopper"}'
  curl -s %[1]s/webhook_history/42
  curl -s %[1]s/v1/companies/42/messages -H 'Content-Type: application/json' -d '{"eventType":"invoice.paid","data":{"number":"2026-2"}}'
  curl -s %[1]s/v1/companies/42/calls
  curl -sN %[1]s/v1/events/stream
  posthorn history 42 --server %[1]s
  and in a browser %[1]s/docs/`, t.service.url)
}
