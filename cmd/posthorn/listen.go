package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"posthorn/harness"
)

// listenCmd is a receiver for trying things out.
type listenCmd struct {
	Listen string `default:"127.0.0.1:0" help:"Address to listen on; port 0 takes a free one." placeholder:"ADDR"`
	Secret string `help:"Secret of the webhook: what arrives is verified with it." placeholder:"SECRET"`
	Status int    `default:"204" help:"Status to answer with, 200 to 599."`
	Count  int    `help:"End after N deliveries; 0 goes on until Ctrl-C." name:"count" placeholder:"N" short:"n"`
	JSON   bool   `help:"Print one JSON line for each delivery." name:"json"`
}

// Run prints what arrives until Ctrl-C, or until Count deliveries have come. It fails when one of them failed a check.
func (c *listenCmd) Run(p *program) error {
	if c.Status < 200 || c.Status > 599 || c.Count < 0 {
		return refuse("status %d or count %d is refused: a status is 200 to 599 and a count not negative; change it", c.Status, c.Count)
	}
	if err := checkAddress(p.ctx, c.Listen); err != nil {
		return err
	}
	// The receiver outlives the wait, so that the last sender gets its answer.
	r, err := harness.Start(context.WithoutCancel(p.ctx), harness.Options{Listen: c.Listen})
	if err != nil {
		return exitWith(exitIO, err)
	}
	defer func() { _ = r.Close() }() // always nil
	if err := r.SetSecret(c.Secret); err != nil {
		return exitWith(exitUsage, err)
	}
	r.Reply(harness.Reply{Status: c.Status, Keep: true})
	if _, err := fmt.Fprintf(p.stdout, "listening on %s\n", r.URL()); err != nil {
		return err
	}
	bad := 0
	err = watch(p.ctx, r, 0, func(d harness.Delivery) (bool, error) {
		if d.Bad() {
			bad++
		}
		return c.Count == 0 || d.N < c.Count, c.print(p.stdout, d)
	})
	if err != nil && p.ctx.Err() == nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d deliveries failed a check: their signature or token is not of this secret; see above", bad)
	}
	return nil
}

// watch hands over the deliveries that come after the first seen ones, in their order, until each says that it wants no more.
func watch(ctx context.Context, r *harness.Receiver, seen int, each func(harness.Delivery) (more bool, err error)) error {
	for {
		if err := r.Await(ctx, seen+1); err != nil {
			return err
		}
		for _, d := range r.Deliveries() {
			if d.N <= seen {
				continue
			}
			seen = d.N
			if more, err := each(d); err != nil || !more {
				return err
			}
		}
	}
}

func (c *listenCmd) print(w io.Writer, d harness.Delivery) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(arrivalOf(d))
	}
	_, err := fmt.Fprintf(w, "%v, answered %d\n%s\n", d, d.Status, indent("  ", string(d.Body)))
	return err
}

// An arrival is a delivery as --json prints it.
type arrival struct {
	N         int             `json:"n"`
	At        time.Time       `json:"at"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	ID        string          `json:"id"`
	Repeat    int             `json:"repeat"`
	Duplicate bool            `json:"duplicate"`
	Verified  bool            `json:"verified"`
	Signature string          `json:"signature,omitempty"`
	Token     string          `json:"token,omitempty"`
	Status    int             `json:"status"`
	Body      json.RawMessage `json:"body,omitempty"`
	Text      string          `json:"text,omitempty"`
}

// arrivalOf gives a body that is JSON as it is, and any other as text.
func arrivalOf(d harness.Delivery) arrival {
	a := arrival{
		N: d.N, At: d.At.UTC(), Method: d.Method, Path: d.Path, ID: d.ID, Repeat: d.Repeat, Duplicate: d.Duplicate,
		Verified: d.Verified(), Signature: d.Signature.String(), Token: d.Token.String(), Status: d.Status,
	}
	if json.Valid(d.Body) {
		a.Body = d.Body
	} else {
		a.Text = string(d.Body)
	}
	return a
}

// ended says that a wait ended because its time was over or the person pressed Ctrl-C.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
