package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"posthorn/engine"
	"posthorn/ports"
)

// A followed is one step of Engine.Follow.
type followed struct {
	event engine.Event
	err   error
}

// stream sends events until the request ends, the server shuts down or the engine closes. Only events that name the company are
// sent; an empty company takes all.
func (s *server) stream(w http.ResponseWriter, r *http.Request, company string, after uint64) {
	ctx, cancel := context.WithCancel(r.Context())
	steps := make(chan followed)
	go s.follow(ctx, after, steps) // joined below
	defer func() {
		cancel()
		for range steps {
			continue // until follow has closed it
		}
	}()
	out := eventWriter{w: w, control: http.NewResponseController(w), seen: after}
	out.begin()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	stopping := s.streams.stopping(r)
	for out.err == nil {
		select {
		case step, ok := <-steps:
			switch {
			case !ok:
				return
			case step.err != nil:
				s.endStream(ctx, &out, r, step.err)
				return
			default:
				seen := []engine.Event{step.event}
				shown(ctx, seen)
				out.event(seen[0], company)
			}
		case <-beat.C:
			if s.closedSince(r) {
				return
			}
			out.beat()
		case <-stopping:
			return
		case <-ctx.Done():
			return
		}
	}
}

// closedSince tells whether a request that has lasted would not be let in now as it was then: its key was revoked meanwhile.
func (s *server) closedSince(r *http.Request) bool {
	now, err := s.authorize(r)
	then := accessOf(r.Context())
	return err != nil || now.Admin != then.Admin || !now.Admin && (now.Company != then.Company || now.ReadOnly != then.ReadOnly)
}

// follow hands on what the engine tells. It ends with ctx or the engine, and closes steps.
func (s *server) follow(ctx context.Context, after uint64, steps chan<- followed) {
	defer close(steps)
	defer func() { // out of reach of recovered, a panic here would end the process
		if thrown := recover(); thrown != nil {
			hand(ctx, steps, followed{err: fmt.Errorf("follow: panic: %v: %s", thrown, debug.Stack())})
		}
	}()
	for event, err := range s.engine.Follow(ctx, after) {
		if !hand(ctx, steps, followed{event, err}) || err != nil {
			return
		}
	}
}

// hand returns false when nobody waits for the step any more.
func hand(ctx context.Context, steps chan<- followed, step followed) bool {
	select {
	case steps <- step:
		return true
	case <-ctx.Done():
		return false
	}
}

// endStream tells why a stream ends early. That the request or the engine has ended needs no telling.
func (s *server) endStream(ctx context.Context, out *eventWriter, r *http.Request, err error) {
	if ctx.Err() != nil || errors.Is(err, ports.ErrClosed) {
		return
	}
	p := problemOf(err, inQuery)
	s.note(r, p)
	out.writef("event: error\ndata: %s\n\n", toJSON(p))
}

// An eventWriter writes server-sent events (WHATWG HTML, section 9.2). It keeps the first error: the client has gone, or takes
// nothing.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	seen    uint64
	err     error
}

// writeTime bounds one write: a client that reads nothing for so long is cut off.
const writeTime = 10 * time.Second

func (o *eventWriter) begin() {
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // nginx would gather events
	o.w.WriteHeader(http.StatusOK)
	o.writef(": events follow\n\n")
}

func (o *eventWriter) event(e engine.Event, company string) {
	o.seen = e.Seq
	if company != "" && companyOf(e) != company {
		return
	}
	o.writef("id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, toJSON(e))
}

// beat keeps the connection open. Its id, without data, moves the place from which a client that lost the connection begins again
// past the events of others.
func (o *eventWriter) beat() { o.writef(": still here\nid: %d\n\n", o.seen) }

func (o *eventWriter) writef(format string, args ...any) {
	if o.err != nil {
		return
	}
	// The server's own write timeout would end the stream. A writer without deadlines, as in tests, does not bound writes.
	if err := o.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		o.err = err
		return
	}
	if _, o.err = fmt.Fprintf(o.w, format, args...); o.err == nil {
		o.err = o.control.Flush()
	}
}

// companyOf reads the company that an event names; events of the engine itself name none.
func companyOf(e engine.Event) string {
	var named struct {
		Company string `json:"company"`
	}
	if json.Unmarshal(e.Data, &named) != nil {
		return ""
	}
	return named.Company
}

// streams tells streams that their server shuts down: http.Server.Shutdown waits for requests and does not end them, and a stream
// has no end of its own.
type streams struct {
	mu      sync.Mutex
	servers map[*http.Server]chan struct{}
}

// stopping is closed when the request's server begins to shut down; nil, which never is, where there is no server.
func (s *streams) stopping(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers == nil {
		s.servers = map[*http.Server]chan struct{}{}
	}
	if stop, ok := s.servers[server]; ok {
		return stop
	}
	stop := make(chan struct{})
	s.servers[server] = stop
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stop) }))
	return stop
}
