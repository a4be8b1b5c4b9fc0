package nats_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/internal/broker"
	"posthorn/internal/freeport"
)

const patience = 20 * time.Second // for whatever a test waits for; below the 30 s after which an unanswered message comes again

// A testServer is a nats-server within the test, which can be stopped and started again in its place.
type testServer struct {
	t    *testing.T
	o    server.Options
	live *server.Server
}

// newServer starts a server that ends with the test. set changes its options.
func newServer(t *testing.T, set ...func(*server.Options)) *testServer {
	t.Helper()
	s := &testServer{t: t, o: server.Options{
		Host: "127.0.0.1", Port: freePort(t), JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true, DisableJetStreamBanner: true,
	}}
	for _, change := range set {
		change(&s.o)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *testServer) start() {
	s.t.Helper()
	o := s.o
	live, err := server.NewServer(&o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.live = live
	live.Start()
	if !live.ReadyForConnections(patience) {
		s.t.Fatal("the server within the test does not serve")
	}
}

// stop cuts all connections at once, with messages under way.
func (s *testServer) stop() {
	s.live.Shutdown()
	s.live.WaitForShutdown()
}

func (s *testServer) url() string { return "nats://" + s.addr() }

func (s *testServer) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.o.Port)) }

// freePort is one on which a server can listen again after a stop.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// newReal starts a real cluster that ends with the test.
func newReal(tb testing.TB, nodes int) *broker.NATS {
	tb.Helper()
	cluster, err := broker.StartNATS(tb.Context(), broker.Installed(tb, "nats"), tb.TempDir(), nodes)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	return cluster
}

// outside is another system that uses the same server with a client of its own.
func outside(t *testing.T, url string) (*natsio.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := natsio.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// receive returns the next value of a channel.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("waited for %s, and the channel was closed", what)
		}
		return v
	case <-ctx.Done():
		t.Fatalf("waited for %s, in vain", what)
		panic("not reached")
	}
}
