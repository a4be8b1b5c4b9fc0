package harness

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve takes one request: read, verify, record, answer. Only recording holds the lock.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	d := Delivery{
		At: time.Now(), Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery, Header: req.Header,
	}
	var err error
	if d.Body, d.Cut, err = readBody(req, r.opts.MaxBody); err != nil {
		r.mu.Lock()
		r.broken++
		r.mu.Unlock()
		panic(http.ErrAbortHandler) // the sender broke off: it did not deliver
	}
	d.ID = r.opts.ID(d.Header, d.Body)
	e := r.Endpoint(d.Path)
	if v := e.verifier(); v != nil {
		v.check(&d)
	}
	key := r.hasher.key(d.ID)
	reply := r.record(e, &d, key)
	if r.opts.OnDelivery != nil {
		r.opts.OnDelivery(d)
	}
	r.answer(w, req, e, key, reply)
}

// record counts the delivery, picks its reply and wakes who waited for it.
func (r *Receiver) record(e *Endpoint, d *Delivery, key idKey) Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	reply, ok := e.replies.next()
	if !ok {
		reply, _ = r.replies.next()
	}
	r.n++
	d.N, d.Status = r.n, reply.status()
	e.ledger.add(d, key, reply.confirms() && !reply.waits())
	slim := *d
	if r.opts.DropBodies {
		slim.Body = nil
	}
	r.kept.add(&slim)
	r.wake(d)
	return reply
}

// answer does what the reply says. Panicking with ErrAbortHandler is net/http's way to close a connection without an answer.
func (r *Receiver) answer(w http.ResponseWriter, req *http.Request, e *Endpoint, key idKey, p Reply) {
	if p.waits() {
		r.wait(req.Context(), p)
		if p.confirms() {
			r.mu.Lock()
			e.ledger.answered(key)
			r.mu.Unlock()
		}
	}
	switch p.Fault {
	case Hang:
		r.hang(req.Context())
	case Reset:
		r.reset(w)
	default:
		r.write(w, req, p)
	}
}

// wait returns when the answer is due; it aborts if the sender has gone or the receiver closes.
func (r *Receiver) wait(ctx context.Context, p Reply) {
	if p.Delay > 0 {
		timer := time.NewTimer(p.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		case <-r.closing.Done():
			panic(http.ErrAbortHandler)
		}
	}
	if p.Hold != nil {
		select {
		case <-p.Hold:
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		case <-r.closing.Done():
			panic(http.ErrAbortHandler)
		}
	}
}

func (r *Receiver) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-r.closing.Done():
	}
	panic(http.ErrAbortHandler)
}

// reset closes the connection with nothing lingering, which makes the kernel send RST.
func (r *Receiver) reset(w http.ResponseWriter) {
	r.conns.Add(1) // a hijacked connection is no longer counted, this goroutine is still there
	defer r.conns.Done()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection to take; its stream is reset
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (r *Receiver) write(w http.ResponseWriter, req *http.Request, p Reply) {
	for name, value := range p.Header {
		w.Header().Set(name, value)
	}
	if p.RetryAfter > 0 {
		seconds := (p.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	w.WriteHeader(p.status())
	if p.Body != "" {
		_, _ = w.Write([]byte(p.Body)) // a sender that has gone will be seen by its silence
	}
	if p.Fault == Endless {
		r.pour(w, req)
	}
}

// pour writes until the sender has had enough or the receiver closes.
func (r *Receiver) pour(w http.ResponseWriter, req *http.Request) {
	block := []byte(strings.Repeat("and so on ", 1<<10))
	for req.Context().Err() == nil && r.closing.Err() == nil {
		if _, err := w.Write(block); err != nil {
			break
		}
	}
	panic(http.ErrAbortHandler)
}
