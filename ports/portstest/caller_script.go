package portstest

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"posthorn/ports"
)

// A ScriptedCaller is a [ports.Caller] without sockets, for tests: a fake peer that answers as the test says, records what it
// was asked, and works inside a synctest bubble. It may be used from many goroutines at once.
//
// The answer to a request is the first of: the oldest scripted answer of its URL, the answer of the function given to Respond, 200.
type ScriptedCaller struct {
	mu       sync.Mutex
	scripts  map[string][]ScriptedReply
	respond  func(ports.Request) ScriptedReply
	requests []ports.Request
	begun    chan struct{} // closed and replaced at each request
}

// A ScriptedReply is one answer. The zero value is an answer with status 200 at once.
type ScriptedReply struct {
	// Reply is what Call returns, but for Took, which is measured. A Status of 0 with ClassOK becomes 200, and a Status with
	// ClassOK that is not 2xx gets the class that goes with it.
	Reply ports.Reply
	// After is how long the answer takes. A request whose Timeout is shorter ends with ClassTimeout.
	After time.Duration
	// Until holds the answer until the channel is closed, after After has passed. Nil does not hold.
	Until <-chan struct{}
	// Keep leaves the answer in its script, for every further request; else it serves once.
	Keep bool
}

// NewScriptedCaller returns a caller that answers everything with 200.
func NewScriptedCaller() *ScriptedCaller {
	return &ScriptedCaller{scripts: map[string][]ScriptedReply{}, begun: make(chan struct{})}
}

// Script adds answers for requests to url, first in, first out, behind those that are there already.
func (c *ScriptedCaller) Script(url string, replies ...ScriptedReply) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.scripts[url] = append(c.scripts[url], replies...)
}

// Respond sets the function that answers requests without a script; it takes the place of an earlier one. It is called without
// a lock, by many goroutines at once.
func (c *ScriptedCaller) Respond(f func(ports.Request) ScriptedReply) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.respond = f
}

// Requests returns copies of all requests so far, in the order in which they began.
func (c *ScriptedCaller) Requests() []ports.Request {
	c.mu.Lock()
	defer c.mu.Unlock()

	return slices.Clone(c.requests)
}

// Await waits until n requests have begun since the caller was made, and returns all of them. It returns ctx's error if ctx
// ends first.
func (c *ScriptedCaller) Await(ctx context.Context, n int) ([]ports.Request, error) {
	for {
		c.mu.Lock()
		requests, begun := slices.Clone(c.requests), c.begun
		c.mu.Unlock()

		if len(requests) >= n {
			return requests, nil
		}

		select {
		case <-begun:
		case <-ctx.Done():
			return requests, ctx.Err()
		}
	}
}

// Call implements [ports.Caller].
func (c *ScriptedCaller) Call(ctx context.Context, r ports.Request) ports.Reply {
	start := time.Now()
	answer := c.begin(r)
	reply := complete(answer.Reply)

	timeout := time.NewTimer(r.Timeout)
	defer timeout.Stop()

	var stopped *ports.Reply

	// Not for no time at all: goroutines of one synctest bubble that meet timers which are due already crash the race detector
	// (golang.org/issue/78156).
	if answer.After > 0 {
		after := time.NewTimer(answer.After)
		defer after.Stop()

		stopped = interrupted(ctx, timeout.C, after.C)
	}

	if stopped == nil && answer.Until != nil {
		stopped = interrupted(ctx, timeout.C, answer.Until)
	}

	if stopped != nil {
		reply = *stopped
	}

	reply.Took = time.Since(start)

	return reply
}

// begin records a copy of r and chooses its answer.
func (c *ScriptedCaller) begin(r ports.Request) ScriptedReply {
	c.mu.Lock()

	kept := r
	kept.Header, kept.Body = maps.Clone(r.Header), bytes.Clone(r.Body)
	c.requests = append(c.requests, kept)

	close(c.begun)
	c.begun = make(chan struct{})

	script, respond := c.scripts[r.URL], c.respond
	if len(script) > 0 && !script[0].Keep {
		c.scripts[r.URL] = script[1:]
	}

	c.mu.Unlock()

	switch {
	case len(script) > 0:
		return script[0]
	case respond != nil:
		return respond(kept)
	default:
		return ScriptedReply{}
	}
}

// interrupted waits for ready. It returns what to reply if the time or ctx has ended first, else nil.
func interrupted[T any](ctx context.Context, timeout <-chan time.Time, ready <-chan T) *ports.Reply {
	select {
	case <-ready:
		return nil
	case <-timeout:
		return &ports.Reply{Class: ports.ClassTimeout, Error: "scripted: no answer within the timeout"}
	case <-ctx.Done():
		return &ports.Reply{Class: ports.ClassInternal, Error: "scripted: the call was stopped"}
	}
}

// complete fills in what a test need not say: the status, and the class that goes with it.
func complete(r ports.Reply) ports.Reply {
	if r.Class != ports.ClassOK {
		return r
	}

	if r.Status == 0 {
		r.Status = http.StatusOK
	}

	switch r.Status / 100 {
	case 2:
	case 3:
		r.Class, r.Error = ports.ClassRedirect, "scripted: a redirect"
	default:
		r.Class, r.Error = ports.ClassStatus, "scripted: "+http.StatusText(r.Status)
	}

	return r
}
