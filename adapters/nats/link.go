package nats

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// backoff is how long to wait after so many failures in a row, from 1: doubled each time, and up to a tenth longer by chance, so that
// a fleet does not come back in one instant.
func backoff(failures int) time.Duration {
	wait := firstWait
	for ; failures > 1 && wait < longestWait; failures-- {
		wait *= 2
	}
	wait = min(wait, longestWait)
	return wait + rand.N(wait/10) //nolint:gosec // chance, no secret
}

// pause waits for d, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// A link knows whether there is a connection to the broker.
type link struct {
	mu     sync.Mutex
	alive  context.Context // of the connection: it ends when that is lost
	lose   context.CancelFunc
	next   chan struct{}   // closed when the next connection is there
	why    error           // what went wrong last; nil after a connection
	blamed map[string]bool // the texts of what went wrong since there was a connection
}

func newLink() *link {
	l := &link{next: make(chan struct{}), blamed: map[string]bool{}}
	l.alive, l.lose = context.WithCancel(context.Background())
	l.lose()
	return l
}

// up notes that there is a connection.
func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose()
	l.alive, l.lose = context.WithCancel(context.Background())
	l.why = nil
	clear(l.blamed)
	close(l.next)
	l.next = make(chan struct{})
}

// down notes that there is none, and why.
func (l *link) down(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = why
	l.lose()
}

// blame notes what went wrong, and says whether that is news since the last connection. Of a text that changes each time ten are news.
func (l *link) blame(err error) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = err
	news = !l.blamed[err.Error()] && len(l.blamed) < 10
	if news {
		l.blamed[err.Error()] = true
	}
	return news
}

func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// state returns a context that ends when the connection is lost, and has ended if there is none, and what is closed when the next
// connection is there.
func (l *link) state() (alive context.Context, next <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alive, l.next
}

func (l *link) isUp() bool {
	alive, _ := l.state()
	return alive.Err() == nil
}

// await waits until there is a connection, and returns its state.
func (l *link) await(ctx context.Context) (alive context.Context, next <-chan struct{}, err error) {
	for {
		alive, next := l.state()
		if alive.Err() == nil {
			return alive, next, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// during returns a context that ends with ctx, with the connection, or after the time that an answer may take.
func during(ctx, alive context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	stop := context.AfterFunc(alive, cancel)
	return ctx, func() { stop(); cancel() }
}
