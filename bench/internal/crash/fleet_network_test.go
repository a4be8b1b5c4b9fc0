package crash

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A network carries TCP between those that dial it and one server: late, or not at all.
type network struct {
	t        *testing.T
	listener net.Listener
	to       string
	late     time.Duration
	ended    context.Context
	all      sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{} // closed while it carries
}

func newNetwork(t *testing.T, to string, late time.Duration) *network {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.WithoutCancel(t.Context()))
	n := &network{t: t, listener: listener, to: to, late: late, ended: ended, whole: make(chan struct{})}
	close(n.whole)
	n.all.Go(n.accept) // ends with the listener
	t.Cleanup(func() {
		end()
		_ = listener.Close()
		n.all.Wait()
	})
	return n
}

// cut lets nothing through any more, and closes nothing: neither side hears of it.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole = make(chan struct{})
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.whole)
}

func (n *network) accept() {
	for {
		from, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.all.Go(func() { n.join(from) })
	}
}

// join carries both ways until one side or the test ends.
func (n *network) join(from net.Conn) {
	to, err := new(net.Dialer).DialContext(n.ended, "tcp", n.to)
	if err != nil {
		_ = from.Close()
		return
	}
	hangUp := func() {
		_ = from.Close()
		_ = to.Close()
	}
	defer context.AfterFunc(n.ended, hangUp)()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			defer hangUp()
			n.carry(way[0], way[1])
		})
	}
	both.Wait()
}

// A parcel is what came at once, and when.
type parcel struct {
	data []byte
	at   time.Time
}

// carry keeps what comes apart from when it goes on, so that lateness costs no throughput.
func (n *network) carry(from io.Reader, to io.Writer) {
	parcels := make(chan parcel, 1<<10)
	n.all.Go(func() { // ends when a side hangs up
		defer close(parcels)
		for {
			data := make([]byte, 16<<10)
			got, err := from.Read(data)
			if err != nil {
				return
			}
			select {
			case parcels <- parcel{data[:got], time.Now()}:
			case <-n.ended.Done():
				return
			}
		}
	})
	for p := range parcels {
		if n.wait(p.at) != nil {
			return
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}

func (n *network) wait(since time.Time) error {
	n.mu.Lock()
	whole := n.whole
	n.mu.Unlock()
	select {
	case <-whole:
	case <-n.ended.Done():
		return n.ended.Err()
	}
	return pause(n.ended, time.Until(since.Add(n.late)))
}
