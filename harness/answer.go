package harness

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An answer is a reply on its way out. Panicking with ErrAbortHandler is net/http's way to close a connection without an answer.
type answer struct {
	r     *Receiver
	e     *Endpoint
	key   idKey
	reply *Reply
	w     http.ResponseWriter
	req   *http.Request
}

// give does what the reply says.
func (a *answer) give(d *Delivery) {
	p := a.reply
	if p.Delay > 0 {
		a.pause(p.Delay)
	}
	if p.Hold != nil {
		a.hold()
	}
	switch {
	case p.Answer != nil:
		a.delegate(d)
	case p.Fault == Hang:
		a.until(nil, nil)
	case p.Fault == Reset:
		a.reset()
	default:
		a.write()
	}
}

// delegate lets Reply.Answer answer.
func (a *answer) delegate(d *Delivery) {
	w := &witness{ResponseWriter: a.w, a: a}
	a.reply.Answer(w, again(a.req, d.Body), *d)
	if !w.seen {
		w.WriteHeader(http.StatusOK) // as net/http does for a handler that says nothing
	}
}

// confirm notes that the sender is told with a 2xx. An answer that does not wait was noted when it was recorded.
func (a *answer) confirm() {
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	a.e.ledger.answered(a.key)
}

func (a *answer) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	a.until(timer.C, nil)
}

func (a *answer) hold() { a.until(nil, a.reply.Hold) }

// until returns when one of the two has something, and aborts if the sender has gone or the receiver closes.
func (a *answer) until(due <-chan time.Time, released <-chan struct{}) {
	select {
	case <-due:
	case <-released:
	case <-a.req.Context().Done():
		panic(http.ErrAbortHandler)
	case <-a.r.closing.Done():
		panic(http.ErrAbortHandler)
	}
}

// reset closes the connection with nothing lingering, which makes the kernel send RST.
func (a *answer) reset() {
	a.r.conns.Add(1) // a hijacked connection is no longer counted, this goroutine is still there
	defer a.r.conns.Done()
	conn, _, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection to take; its stream is reset
	}
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn() // or it would say goodbye first
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (a *answer) write() {
	p := a.reply
	a.head()
	switch p.Fault {
	case Truncate:
		a.truncate()
	case Drip:
		a.drip()
	case Endless:
		a.w.WriteHeader(p.status())
		a.pour(strings.Repeat("and so on ", 1<<10), func() {})
	default:
		if p.waits() && p.confirms() {
			a.confirm()
		}
		a.w.WriteHeader(p.status())
		if p.Body != "" {
			_, _ = a.w.Write([]byte(p.Body)) // a sender that has gone will be seen by its silence
		}
	}
}

func (a *answer) head() {
	header := a.w.Header()
	for name, value := range a.reply.Header {
		header.Set(name, value)
	}
	if a.reply.Location != "" {
		header.Set("Location", a.reply.Location)
	}
	if a.reply.RetryAfter > 0 {
		seconds := (a.reply.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
}

// truncate sends the first half of what Content-Length tells.
func (a *answer) truncate() {
	body := a.reply.Body
	if body == "" {
		body = "cut here: the second half of this text is never sent"
	}
	a.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	a.w.WriteHeader(a.reply.status())
	_, _ = a.w.Write([]byte(body[:len(body)/2]))
	_ = http.NewResponseController(a.w).Flush()
	panic(http.ErrAbortHandler)
}

// drip sends byte by byte.
func (a *answer) drip() {
	p := a.reply
	pause := p.Pause
	if pause == 0 {
		pause = defaultPause
	}
	if p.Body == "" {
		a.w.WriteHeader(p.status())
		a.pour(".", func() { a.pause(pause) })
	}
	a.w.Header().Set("Content-Length", strconv.Itoa(len(p.Body)))
	a.w.WriteHeader(p.status())
	flush := http.NewResponseController(a.w).Flush
	_ = flush() // the head goes first
	for i := range len(p.Body) {
		a.pause(pause)
		if i == len(p.Body)-1 && p.confirms() {
			a.confirm()
		}
		if _, err := a.w.Write([]byte(p.Body[i : i+1])); err != nil || flush() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// pour writes blocks until the sender has had enough or the receiver closes.
func (a *answer) pour(block string, between func()) {
	flush := http.NewResponseController(a.w).Flush
	for a.req.Context().Err() == nil && a.r.closing.Err() == nil {
		if _, err := a.w.Write([]byte(block)); err != nil || flush() != nil {
			break
		}
		between()
	}
	panic(http.ErrAbortHandler)
}

// A witness sees what Reply.Answer answers, and notes a 2xx before it goes out.
type witness struct {
	http.ResponseWriter
	a    *answer
	seen bool
}

// WriteHeader notes the final status.
func (w *witness) WriteHeader(status int) {
	if !w.seen && status >= http.StatusOK {
		w.seen = true
		if status < http.StatusMultipleChoices {
			w.a.confirm()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the 200 that it implies.
func (w *witness) Write(p []byte) (int, error) {
	if !w.seen {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }
