// Package fill prepares data directories for the benchmark: it opens the engine as a library, with a caller that answers everything at
// once, or nothing at all. So a million calls come and go, or stand ready, in a minute or two, stored just as over HTTP. Read next:
// package contest, which then serves such a directory.
package fill

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"posthorn"
	"posthorn/bench/internal/numbered"
)

// EventType is that of all messages.
const EventType = "sample.taken"

// publishers are the goroutines that publish: as many commands as a commit may hold without crowding the calls out.
const publishers = 256

// A Directory is an engine over a data directory. Its methods are for one goroutine.
type Directory struct {
	engine *posthorn.Posthorn
	caller *caller
	called int // calls that have been asked for
}

// Open opens the engine over dir, which may be new. ctx bounds the opening alone.
func Open(ctx context.Context, dir string) (*Directory, error) {
	c := new(caller)
	engine, err := posthorn.Open(ctx, posthorn.Options{Dir: dir, Caller: c, AllowTargets: []string{"127.0.0.0/8"}})
	if err != nil {
		return nil, fmt.Errorf("fill %s: %w", dir, err)
	}
	return &Directory{engine: engine, caller: c}, nil
}

// Register makes webhooks of a company for all messages, and returns their ids.
func (d *Directory) Register(ctx context.Context, company string, urls ...string) ([]string, error) {
	ids := make([]string, len(urls))
	for i, url := range urls {
		made, err := d.engine.RegisterWebhook(ctx, posthorn.NewWebhook{
			Company: company, URL: url, EventTypes: []string{"*"}, Timeout: timeout,
		})
		if err != nil {
			return nil, wrap(err)
		}
		ids[i] = made.ID
	}
	return ids, nil
}

// Publish publishes numbered messages, each to the company that company names for its number, with webhooks webhooks.
func (d *Directory) Publish(ctx context.Context, numbers numbered.Numbers, webhooks int, company func(n int) string) error {
	send := func(ctx context.Context, n int) error {
		data := numbered.Set(numbered.Data(), n)
		_, err := d.engine.Publish(ctx, posthorn.NewMessage{Company: company(n), EventType: EventType, Data: data})
		return err
	}
	return d.send(ctx, numbers, webhooks, send)
}

// Create makes numbered candidates of a company that has webhooks webhooks, as the seed's clients do.
func (d *Directory) Create(ctx context.Context, numbers numbered.Numbers, webhooks int, company string) error {
	send := func(ctx context.Context, n int) error {
		_, err := d.engine.CreateCandidate(ctx, posthorn.NewCandidate{
			Company: company, Email: "bench-" + strconv.Itoa(n) + "@example.com", FirstName: "Ada", LastName: "Lovelace",
		})
		return err
	}
	return d.send(ctx, numbers, webhooks, send)
}

func (d *Directory) send(ctx context.Context, numbers numbered.Numbers, webhooks int, send numbered.Send) error {
	d.called += numbers.Count * webhooks
	patient := func(ctx context.Context, n int) error {
		for {
			err := send(ctx, n)
			if !errors.Is(err, posthorn.ErrOverloaded) {
				return err
			}
			select { // as a client does that heeds Retry-After: the store merges what it has
			case <-time.After(overloadPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	_, err := numbered.Closed(ctx, time.Now(), numbers, publishers, patient)
	return wrap(err)
}

const overloadPause = 100 * time.Millisecond

// Hold makes the caller hold what it is asked for from now on: calls stand ready, and do not end.
func (d *Directory) Hold() { d.caller.holds.Store(true) }

// Settle returns when all calls have been answered; after it, Close waits until that is recorded.
func (d *Directory) Settle(ctx context.Context) error { return wrap(d.caller.wait(ctx, d.called)) }

// Close stops the engine in order. Calls that are held stay ready.
func (d *Directory) Close(ctx context.Context) error {
	if d.caller.holds.Load() {
		ended, cancel := context.WithCancel(ctx)
		cancel() // they would be waited for
		ctx = ended
	}
	return wrap(d.engine.Shutdown(ctx))
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fill: %w", err)
}
