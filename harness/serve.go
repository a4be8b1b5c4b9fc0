package harness

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// ServeHTTP takes one request: it reads, verifies, records and answers it. The receiver's own server calls it; it may also be called
// by another server, or without one.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	e := r.Endpoint(req.URL.Path)
	r.enter(e)
	defer r.leave(e)
	if r.closing.Err() != nil {
		panic(http.ErrAbortHandler) // Close does not wait for what begins after it
	}
	d := &Delivery{
		At: time.Now(), Method: req.Method, Path: e.path, Query: req.URL.RawQuery, Proto: req.Proto, Header: req.Header,
	}
	var err error
	if d.Body, d.Cut, err = readBody(req, r.opts.MaxBody); err != nil {
		r.breakOff()
		panic(http.ErrAbortHandler) // the sender broke off: it did not deliver
	}
	d.ID = r.opts.ID(d.Header, d.Body)
	if check := e.checker(); check != nil {
		check(d)
	}
	key := r.hasher.key(d.ID)
	reply := r.record(e, d, key)
	if r.opts.OnDelivery != nil {
		r.opts.OnDelivery(*d)
	}
	if reply == &r.unscripted {
		w.WriteHeader(d.Status) // most deliveries of a load run end here
		return
	}
	a := &answer{r: r, e: e, key: key, reply: reply, w: w, req: req}
	a.give(d)
}

// enter counts a request that is under way. The count is there before the look at closing, so that Close waits for it or it gives way.
func (r *Receiver) enter(e *Endpoint) {
	r.begin()
	e.begin()
}

func (r *Receiver) leave(e *Endpoint) {
	now := int64(time.Since(r.began))
	e.moved.Store(now)
	r.moved.Store(now)
	e.underWay.Add(-1)
	if r.underWay.Add(-1) == 0 && r.closing.Err() != nil {
		select {
		case r.emptied <- struct{}{}:
		default: // it has been told already
		}
	}
}

func (r *Receiver) breakOff() {
	r.mu.Lock()
	r.broken++
	r.mu.Unlock()
}

// record counts the delivery, picks its reply and wakes who waited for it. Only this holds the lock.
func (r *Receiver) record(e *Endpoint, d *Delivery, key idKey) *Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	d.N = r.n
	t := e.ledger.add(d, key)
	reply := r.replyTo(e, d)
	if d.ID != "" {
		e.ledger.settle(key, t, reply.confirms() && !reply.waits())
	}
	d.Status = reply.status()
	r.kept.add(d, r.opts.DropBodies)
	r.wake(d)
	return reply
}

// replyTo is the endpoint's, or else the receiver's, or else the one for when nothing is scripted.
func (r *Receiver) replyTo(e *Endpoint, d *Delivery) *Reply {
	if p := e.replies.next(d); p != nil {
		return p
	}
	if p := r.replies.next(d); p != nil {
		return p
	}
	return &r.unscripted
}

// readBody reads what the limit allows, with one allocation if the sender told the length.
func readBody(r *http.Request, limit int64) (body []byte, cut bool, err error) {
	if n := r.ContentLength; n >= 0 && n <= limit {
		body = make([]byte, n)
		_, err = io.ReadFull(r.Body, body)
		return body, false, err
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], true, err
	}
	return body, false, err
}

// again gives a request its body back.
func again(req *http.Request, body []byte) *http.Request {
	req.Body = io.NopCloser(bytes.NewReader(body))
	return req
}
