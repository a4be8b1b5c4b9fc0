package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"posthorn/harness/script"
	"posthorn/internal/broker"
)

// TestScriptsOverTransports runs every script again with each transport in place of the one within a process: over a nats-server and a
// stand-in for Kafka within the test, and over real brokers where POSTHORN_BROKERS says that they are installed. There is no
// stand-in for SQS that is a Go module and true enough.
func TestScriptsOverTransports(t *testing.T) { //nolint:paralleltest // one broker after the other has the processors
	if testing.Short() {
		t.Skip("the same scripts as TestScripts, over transports: run without -short")
	}
	for _, m := range []struct {
		name, parameters string
		start            func(*testing.T) (url string)
	}{
		{"NATS within the test", "", natsWithin},
		{"Kafka within the test", "partitions=2", kafkaWithin},
		{"real NATS", "", realNATS},
		{"real Kafka", "partitions=2", realKafka},
		{"real SQS", "", realSQS},
	} {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			url := withParameters(m.start(t), m.parameters)
			scripts(t, func(env *testscript.Env, nth int64) {
				// After a kill SQS gives what a dead poll has taken to nobody for 30 s, and its tasks come again when their leases end.
				env.Setenv(script.Within, "90s")
				env.Setenv("POSTHORN_TRANSPORT", withParameters(url, fmt.Sprintf("prefix=s%d", nth))) // topics of its own
			})
		})
	}
}

func withParameters(url, more string) string {
	switch {
	case more == "":
		return url
	case strings.Contains(url, "?"):
		return url + "&" + more
	}
	return url + "?" + more
}

func natsWithin(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the nats-server within the test does not serve")
	}
	return s.ClientURL()
}

func kafkaWithin(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return "kafka://" + cluster.ListenAddrs()[0]
}

func realNATS(t *testing.T) string {
	t.Helper()
	b, err := broker.StartNATS(t.Context(), broker.Installed(t, "nats"), t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.URL()
}

func realKafka(t *testing.T) string {
	t.Helper()
	b, err := broker.StartKafka(t.Context(), broker.Installed(t, "kafka"), t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.URL()
}

func realSQS(t *testing.T) string {
	t.Helper()
	b, err := broker.StartSQS(t.Context(), broker.Installed(t, "sqs"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.URL()
}
