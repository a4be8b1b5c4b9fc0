package nats_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"go.uber.org/goleak"

	"posthorn/adapters/nats"
	"posthorn/adapters/watermillbus"
	"posthorn/internal/broker"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suites run twice: over a server within the test, and over a real one.
func TestSuites(t *testing.T) {
	t.Parallel()
	t.Run("in process", func(t *testing.T) { t.Parallel(); suites(t, newServer(t).url()) })
	t.Run("real", func(t *testing.T) { t.Parallel(); suites(t, newReal(t, 1).URL()) })
	t.Run("real cluster", func(t *testing.T) { t.Parallel(); suites(t, newReal(t, 3).URL()+"?replicas=3") })
}

func suites(t *testing.T, url string) {
	t.Helper()
	open := func(t *testing.T) ports.Bus {
		t.Helper()
		transport := openURL(t, url)
		return watermillbus.New(transport, transport, watermillbus.Options{})
	}
	t.Run("bus", func(t *testing.T) { t.Parallel(); portstest.Bus(t, open) })
	t.Run("concurrency", func(t *testing.T) { t.Parallel(); portstest.BusConcurrency(t, 64, open) })
	t.Run("watermill", func(t *testing.T) {
		t.Parallel()
		tests.TestPubSub(t, tests.Features{
			ConsumerGroups:                      false, // work queues: a topic has one group
			ExactlyOnceDelivery:                 false,
			GuaranteedOrder:                     false,
			GuaranteedOrderWithSingleSubscriber: false,
			Persistent:                          true,
			NewSubscriberReceivesOldMessages:    false, // what is acknowledged is gone
			ForceShort:                          os.Getenv(broker.Variable) == "",
		}, func(t *testing.T) (message.Publisher, message.Subscriber) {
			t.Helper()
			return openURL(t, url), openURL(t, url)
		}, nil)
	})
}

func TestLeaks(t *testing.T) { //nolint:paralleltest // it would see the goroutines of others
	portstest.BusLeaks(t, func(t *testing.T) ports.Bus {
		t.Helper()
		s := newServer(t)
		transport := openURL(t, s.url())
		return endsWithItsServer{watermillbus.New(transport, transport, watermillbus.Options{}), s}
	})
}

// The goroutines that the server has for a stream would look like leaks.
type endsWithItsServer struct {
	ports.Bus
	server *testServer
}

func (b endsWithItsServer) Run(ctx context.Context) error {
	defer b.server.stop()
	return b.Bus.Run(ctx)
}

// openURL opens a transport that ends with the test.
func openURL(t *testing.T, url string) *nats.Transport {
	t.Helper()
	o, err := nats.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, o)
}

func open(t *testing.T, o nats.Options) *nats.Transport {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	transport, err := nats.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return transport
}

// newMessage returns a message with an id of its own.
func newMessage(body string) *message.Message {
	return message.NewMessage(watermill.NewUUID(), []byte(body))
}
