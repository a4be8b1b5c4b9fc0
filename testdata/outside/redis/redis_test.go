package redis_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"log/slog"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"outside/redis"
	"posthorn"
	"posthorn/adapters/restycaller"
	"posthorn/engine"
	"posthorn/harness"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(dispatcherOf); socket != "" {
		allow, err := restycaller.ParseTargets([]string{"127.0.0.1"})
		if err == nil {
			err = dispatch(context.Background(), options(socket), key(), allow)
		}
		log.Fatal(err) // it was to be killed
	}
	goleak.VerifyTestMain(m)
}

// TestBus holds the transport to what every transport of Posthorn is held to.
func TestBus(t *testing.T) {
	s := startServer(t)
	open := func(t *testing.T) ports.Bus { return openBus(t, s.socket) }
	portstest.Bus(t, open)
	portstest.BusConcurrency(t, 64, open)
	portstest.BusLeaks(t, open)
}

// TestCalls: the engine accepts while Redis is away, and loses nothing when Redis dies and comes back empty.
func TestCalls(t *testing.T) {
	s := newServer(t)
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Dir: t.TempDir(), Bus: openBus(t, s.socket), AllowTargets: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, ph)
	receiver, ids := register(t, ph), create(t, ph, 20)
	s.start()
	await(t, receiver, ids)
	created := createMeanwhile(t, ph, 500)
	awaitUnique(t, receiver, 100)
	s.kill()
	s.start()
	await(t, receiver, append(<-created, create(t, ph, 1)...))
}

// TestDispatchers: an engine that makes no calls, and two processes that make them, one of which dies.
func TestDispatchers(t *testing.T) {
	s := startServer(t)
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Dir: t.TempDir(), Bus: openBus(t, s.socket), Key: key(), NoDispatch: true})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, ph)
	receiver := register(t, ph)
	first := startDispatcher(t, s.socket)
	await(t, receiver, create(t, ph, 20)) // the first makes them
	startDispatcher(t, s.socket)
	created := createMeanwhile(t, ph, 500)
	awaitUnique(t, receiver, 100)
	first()
	await(t, receiver, <-created)
	wantLength(t, s, "posthorn.tasks", 0) // what the first had read and not acknowledged went to the other
}

// TestForeignEntry: what is not ours is put aside, and holds nothing up.
func TestForeignEntry(t *testing.T) {
	s := startServer(t)
	if err := s.client().XAdd(t.Context(), entry("posthorn.tasks")).Err(); err != nil {
		t.Fatal(err)
	}
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Dir: t.TempDir(), Bus: openBus(t, s.socket), AllowTargets: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, ph)
	await(t, register(t, ph), create(t, ph, 20))
	wantLength(t, s, "posthorn.tasks.rejected", 1)
	wantLength(t, s, "posthorn.tasks", 0)
}

// wantLength waits until a stream has n entries.
func wantLength(t *testing.T, s *server, stream string, n int64) {
	t.Helper()
	client := s.client()
	if err := every(bounded(t), func() bool { return client.XLen(t.Context(), stream).Val() == n }); err != nil {
		t.Errorf("stream %s has %d entries, want %d", stream, client.XLen(t.Context(), stream).Val(), n)
	}
}

func openBus(t *testing.T, socket string) ports.Bus {
	t.Helper()
	bus, err := redis.Open(options(socket), rand.Text(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

// register starts a receiver that judges at the test's end whether all was signed, and registers it. A call whose task or outcome is
// lost is tasked again after the timeout and 15 s more.
func register(t *testing.T, ph *posthorn.Posthorn) *harness.Receiver {
	t.Helper()
	receiver, err := harness.Start(t.Context(), harness.Options{DropBodies: true})
	if err != nil {
		t.Fatal(err)
	}
	wh, err := ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: receiver.URL(), EventTypes: []string{"*"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.SetSecret(wh.Secret); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a := receiver.Account()
		t.Log(a)
		if err := receiver.Close(); err != nil || a.Verified != a.Deliveries || len(a.Lost) > 0 {
			t.Errorf("%v; want all verified and none lost: %v", err, a)
		}
	})
	return receiver
}

// create publishes n messages and returns their ids.
func create(t *testing.T, ph *posthorn.Posthorn, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range n {
		m, err := ph.Publish(context.Background(), posthorn.NewMessage{Company: "42", EventType: "invoice.paid", Data: fmt.Appendf(nil, `{"n":%d}`, i)})
		if err != nil {
			t.Error(err)
		}
		ids[i] = m.ID
	}
	return ids
}

// createMeanwhile is create in the background; the test must receive the ids.
func createMeanwhile(t *testing.T, ph *posthorn.Posthorn, n int) <-chan []string {
	t.Helper()
	created := make(chan []string)
	go func() { created <- create(t, ph, n) }()
	return created
}

func awaitUnique(t *testing.T, receiver *harness.Receiver, n int) {
	t.Helper()
	if err := receiver.AwaitUnique(bounded(t), n); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, receiver *harness.Receiver, ids []string) {
	t.Helper()
	receiver.Expect(ids...)
	if err := receiver.AwaitExpected(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

func shut(t *testing.T, ph *posthorn.Posthorn) {
	t.Helper()
	if err := ph.Shutdown(bounded(t)); err != nil {
		t.Error(err)
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dispatch makes calls for the engines of a Redis and a key until ctx ends.
func dispatch(ctx context.Context, o *goredis.Options, key engine.Key, allow restycaller.Targets) error {
	bus, err := redis.Open(o, rand.Text(), slog.Default())
	if err != nil {
		return err
	}
	caller, err := restycaller.New(restycaller.Options{Allow: allow})
	if err != nil {
		return err
	}
	d, err := engine.NewDispatcher(engine.DispatcherOptions{Bus: bus, Caller: caller, Key: key})
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// key is what engine and dispatchers share.
func key() engine.Key { return engine.NewKey([engine.KeyBytes]byte{1: 1}) }
