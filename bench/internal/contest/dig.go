package contest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
	"posthorn/harness/load"
)

const historyPage = 50 // calls on a page, as is the default

// A dig measures what an engine over a past costs.
type dig struct {
	History

	server *Server
	past   *past
}

// The engine counts as quiet, and what the growth left to be merged as merged, when it has used less than a share of a processor for
// quietFor.
const (
	quietFor   = 2 * time.Second
	quietShare = 0.05
)

func (d *dig) all(ctx context.Context) (all []cost, err error) {
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name    string
		measure func(context.Context) (time.Duration, error)
	}{
		{"accept", d.accept},
		{"accept and call", d.call},
		{"first page", d.pages(func(context.Context) (url.Values, error) { return url.Values{}, nil })},
		{"middle page", d.pages(d.middle)},
		{"page of a webhook", d.pages(func(context.Context) (url.Values, error) { return url.Values{"webhook": {d.past.webhook}}, nil })},
	} {
		cpu, err := kind.measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.name, err)
		}
		all = append(all, cost{kind.name, cpu})
	}
	return all, nil
}

func (d *dig) settle(ctx context.Context) error {
	for {
		cpu, err := d.spent(1, func() error { return wait(ctx, quietFor) })
		if err != nil || cpu.Seconds() < quietShare*quietFor.Seconds() {
			return err
		}
	}
}

// spent is the processor time that the engine used while do did count things, for each of them.
func (d *dig) spent(count int, do func() error) (time.Duration, error) {
	before, err := child.CPUOf(d.server.PID)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := child.CPUOf(d.server.PID)
	return (after - before) / time.Duration(count), err
}

// accept measures messages of a company that nobody asked to hear of.
func (d *dig) accept(ctx context.Context) (time.Duration, error) {
	return d.spent(d.Samples, func() error { return d.publish(ctx, "unheard") })
}

func (d *dig) publish(ctx context.Context, company string) error {
	client := load.NewClient(clients)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, d.server.URL+companyPath(company)+"/messages", numbered.Message("sample.taken"))
	if err != nil {
		return err
	}
	_, err = numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: d.Samples}, clients, send)
	return err
}

// call measures messages of a company with one webhook, called once.
func (d *dig) call(ctx context.Context) (cpu time.Duration, err error) {
	receiver, err := numbered.Receive(ctx, time.Now(), d.Samples)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	company := "heard-" + strconv.Itoa(d.past.ended) // the receivers of smaller sizes are gone
	if _, err := d.server.Register(ctx, company, receiver.URL()); err != nil {
		return 0, err
	}
	return d.spent(d.Samples, func() error {
		if err := d.publish(ctx, company); err != nil {
			return err
		}
		return receiver.Wait(ctx, d.Samples)
	})
}

// pages measures one page of the history, got by a query.
func (d *dig) pages(ask func(context.Context) (url.Values, error)) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		query, err := ask(ctx)
		if err != nil {
			return 0, err
		}
		query.Set("limit", strconv.Itoa(historyPage))
		return d.spent(d.Pages, func() error {
			for range d.Pages {
				p, err := d.page(ctx, query)
				if err != nil {
					return err
				}
				if len(p.Data) != historyPage && d.past.ended >= 2*historyPage*historyWebhooks {
					return fmt.Errorf("a page of %d calls, want %d", len(p.Data), historyPage)
				}
			}
			return nil
		})
	}
}

// middle finds the cursor of a page among the calls of the middle.
func (d *dig) middle(ctx context.Context) (url.Values, error) {
	query := url.Values{"until": {d.past.middle.UTC().Format(time.RFC3339Nano)}, "limit": {strconv.Itoa(historyPage)}}
	for {
		p, err := d.page(ctx, query)
		if err != nil {
			return nil, err
		}
		if len(p.Data) > 0 || p.NextCursor == "" {
			return url.Values{"cursor": {p.NextCursor}}, nil
		}
		query.Set("cursor", p.NextCursor)
	}
}

func (d *dig) page(ctx context.Context, query url.Values) (p callsPage, err error) {
	err = d.server.Ask(ctx, http.MethodGet, companyPath(historyCompany)+"/calls?"+query.Encode(), "", nil, &p)
	return p, err
}
