package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"posthorn/internal/freeport"
)

// A Kafka is a cluster of Apache Kafka in KRaft mode; each node is broker and controller.
type Kafka struct {
	Addrs []string // of the nodes, "host:port"
	Nodes []*Process
}

// StartKafka runs a cluster of n nodes, whose jars are in the directory installed, with its data below the directory data, which is
// empty. It returns when all nodes serve. Topics are not created by being used. Of three nodes one may be down: topics have as many
// replicas as there are nodes, of which a majority must have what is confirmed.
func StartKafka(ctx context.Context, installed, data string, n int) (*Kafka, error) {
	k := &Kafka{Addrs: make([]string, n), Nodes: make([]*Process, n)}
	voters := make([]string, n)
	for i := range n {
		client, err := freeport.Take(ctx)
		if err != nil {
			return nil, err
		}
		controller, err := freeport.Take(ctx)
		if err != nil {
			return nil, err
		}
		k.Addrs[i] = "127.0.0.1:" + strconv.Itoa(client)
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, controller)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			k.Nodes[i], errs[i] = startNode(ctx, installed, filepath.Join(data, strconv.Itoa(i+1)), i, k.Addrs, voters)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// URL is the cluster as --transport names it.
func (k *Kafka) URL() string { return "kafka://" + strings.Join(k.Addrs, ",") }

// Close ends all nodes. They are killed: a controller that leaves in an orderly way waits for a successor, and the last one in vain.
func (k *Kafka) Close() {
	for _, node := range k.Nodes {
		if node != nil {
			node.Kill()
		}
	}
}

func startNode(ctx context.Context, installed, dir string, i int, addrs, voters []string) (*Process, error) {
	settings := filepath.Join(dir, "server.properties")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if err := os.WriteFile(settings, []byte(properties(dir, i, addrs, voters)), 0o600); err != nil {
		return nil, err
	}
	format := java(installed, "kafka.tools.StorageTool", "format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAA", "--config", settings)
	if out, err := exec.CommandContext(ctx, "java", format...).CombinedOutput(); err != nil { //nolint:gosec // a test's own directories
		return nil, fmt.Errorf("format the storage of kafka: %w: %s", err, out)
	}
	return Start(ctx, Spec{
		Name: "kafka", Path: "java", Args: java(installed, "kafka.Kafka", settings), Dir: dir,
		Ready: func(ctx context.Context) error { return serves(ctx, addrs[i], len(addrs)) },
	})
}

// java makes a small Java that starts fast: the first compiler only, and the collector that needs no threads of its own.
func java(installed, class string, args ...string) []string {
	return append([]string{
		"-Xms128m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(installed, "lib", "*"), class,
	}, args...)
}

// properties are a node's settings. The timeouts are below Kafka's own, so that a node that was killed is missed, and let in again,
// within a few seconds.
func properties(dir string, i int, addrs, voters []string) string {
	n := len(addrs)
	_, controller, _ := strings.Cut(voters[i], "@")
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=" + strconv.Itoa(i+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"listeners=PLAINTEXT://" + addrs[i] + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + addrs[i],
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false",
		fmt.Sprintf("default.replication.factor=%d", n),
		fmt.Sprintf("min.insync.replicas=%d", n/2+1),
		fmt.Sprintf("offsets.topic.replication.factor=%d", n),
		"offsets.topic.num.partitions=4",
		"group.initial.rebalance.delay.ms=0",
		"broker.session.timeout.ms=4000",
		"broker.heartbeat.interval.ms=500",
		"log.cleaner.dedupe.buffer.size=4194304",
		"",
	}, "\n")
}

// serves asks the node at addr whether it knows n brokers, of which it is one.
func serves(ctx context.Context, addr string, n int) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	_ = conn.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	known, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err == nil && len(known.Brokers) < n {
		err = fmt.Errorf("it knows %d brokers of %d", len(known.Brokers), n)
	}
	return err
}
