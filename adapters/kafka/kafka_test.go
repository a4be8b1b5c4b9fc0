package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"posthorn/adapters/watermillbus"
	"posthorn/internal/broker"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// shared is the one node of a real Kafka that tests share which do it no harm; nil where none is installed.
var shared *broker.Kafka

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if all := os.Getenv(broker.Variable); all != "" {
		dir, err := os.MkdirTemp("", "posthorn-kafka-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }()
			shared, err = broker.StartKafka(context.Background(), filepath.Join(all, "kafka"), dir, 1)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer shared.Close()
	}
	code := m.Run()
	if shared != nil {
		shared.Close()
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// overBoth runs a test over an in-process Kafka of its own, and over the real one.
func overBoth(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) { t.Parallel(); test(t, fake(t)) })
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		broker.Installed(t, "kafka")
		test(t, Options{Brokers: shared.Addrs, Logger: logger(t)})
	})
}

func fake(t *testing.T, more ...kfake.Opt) Options {
	t.Helper()
	_, o := fakeCluster(t, more...)
	return o
}

func fakeCluster(t *testing.T, more ...kfake.Opt) (*kfake.Cluster, Options) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, Options{Brokers: cluster.ListenAddrs(), Logger: logger(t)}
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func open(t *testing.T, o Options) *Transport {
	t.Helper()
	transport, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

func bus(t *testing.T, o Options) ports.Bus {
	t.Helper()
	transport := open(t, o)
	return watermillbus.New(transport, transport, watermillbus.Options{Logger: o.Logger})
}

func TestBus(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		portstest.Bus(t, func(t *testing.T) ports.Bus { t.Helper(); return bus(t, o) })
	})
}

func TestBusConcurrency(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		o.Partitions = 1
		portstest.BusConcurrency(t, 64, func(t *testing.T) ports.Bus { t.Helper(); return bus(t, o) })
	})
}

func TestBusLeaks(t *testing.T) { //nolint:paralleltest // it would see the goroutines of other tests
	for _, test := range []struct {
		name string
		o    func(*testing.T) Options
	}{
		{"in process", func(t *testing.T) Options { t.Helper(); return fake(t) }},
		{"real", func(t *testing.T) Options {
			t.Helper()
			broker.Installed(t, "kafka")
			return Options{Brokers: shared.Addrs}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.o(t)
			portstest.BusLeaks(t, func(t *testing.T) ports.Bus { t.Helper(); return bus(t, o) })
		})
	}
}

// TestWatermill runs Watermill's own suite. The transport keeps no order, for the messages of a partition are handed out side by side,
// and has one group for each topic.
func TestWatermill(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, o Options) {
		construct := func(t *testing.T) (message.Publisher, message.Subscriber) {
			t.Helper()
			return open(t, o), open(t, o) // the suite closes a publisher whose subscriber it goes on with
		}
		tests.TestPubSub(t, tests.Features{Persistent: true, ForceShort: true}, construct, nil)
	})
}
