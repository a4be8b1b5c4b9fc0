package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"posthorn/harness"
	"posthorn/harness/control"
)

// A listenPrinter writes whole lines, for people or as JSON. It may be used from many goroutines at once.
type listenPrinter struct {
	json, quiet bool
	mu          sync.Mutex
	w           io.Writer
}

func (p *listenPrinter) line(asJSON any, format string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		encoder := json.NewEncoder(p.w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(asJSON)
	}
	_, err := fmt.Fprintf(p.w, format+"\n", args...)
	return err
}

func (p *listenPrinter) addresses(receiver, api string) error {
	asJSON := struct {
		URL     string `json:"url"`
		Control string `json:"control,omitempty"`
	}{receiver, api}
	if api == "" {
		return p.line(asJSON, "listening on %s", receiver)
	}
	return p.line(asJSON, "listening on %s\ncontrol API on %s", receiver, api)
}

func (p *listenPrinter) delivery(d harness.Delivery) error {
	if p.quiet {
		return nil
	}
	answered := fmt.Sprintf("answered %d", d.Status)
	if d.Status == 0 {
		answered = "no answer of its own"
	}
	return p.line(control.NewDelivery(d), "%v, %s\n%s", d, answered, indent("  ", string(d.Body)))
}

// skipped tells of deliveries that came faster than they could be printed.
func (p *listenPrinter) skipped(from, to int) {
	if p.quiet {
		return
	}
	_ = p.line(struct { // the next delivery's line tells that stdout is gone
		Skipped [2]int `json:"skipped"`
	}{[2]int{from, to}}, "#%d to #%d came too fast to be printed", from, to)
}

// forwarded tells what came of passing a delivery on.
func (p *listenPrinter) forwarded(n, status int, problem error) {
	if p.quiet {
		return
	}
	type outcome struct {
		N      int    `json:"n"`
		Status int    `json:"status,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	asJSON := struct {
		Forwarded outcome `json:"forwarded"`
	}{outcome{N: n, Status: status}}
	if problem != nil {
		asJSON.Forwarded = outcome{N: n, Error: problem.Error()}
		_ = p.line(asJSON, "#%d could not be passed on: %v", n, problem) // the delivery's own line tells that stdout is gone
		return
	}
	_ = p.line(asJSON, "#%d passed on, answered %d", n, status) // as above
}
