package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 5 * time.Second // beyond the time that the request itself allows the broker
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 2 * time.Second
	metadataAge    = 10 * time.Second // a topic that grew partitions is known after that
	metadataPause  = 250 * time.Millisecond

	publishTimeout = 5 * time.Second // of a Publish as a whole

	sessionTimeout = 6 * time.Second  // a process that died is missed after that; brokers allow no less by default
	heartbeat      = time.Second      // how soon a member hears of a rebalance
	revokePatience = 10 * time.Second // for what is under way when a partition goes to another process
	rebalanceLimit = 30 * time.Second // more than revokePatience and the commit that follows
	leaveTimeout   = 3 * time.Second  // for the last commit and the farewell

	fetchBytes     = 8 << 20 // of an answer of one broker; what is fetched waits in memory
	partitionBytes = 1 << 20
	fetchWait      = 250 * time.Millisecond // of a broker that has nothing; partitions that were just assigned wait for that answer
)

// clientOptions are those of every client.
func clientOptions(o Options, hooks kgo.Hook) ([]kgo.Opt, error) {
	if len(o.Brokers) == 0 {
		return nil, fmt.Errorf("kafka options refused: they name no broker; give host:port of one or more")
	}
	opts := []kgo.Opt{
		kgo.ClientID("posthorn"),
		kgo.SeedBrokers(o.Brokers...),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(requestTimeout),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMaxAge(metadataAge),
		kgo.MetadataMinAge(metadataPause),
		kgo.DisableClientMetrics(), // nothing is told to brokers that was not asked for
		kgo.WithHooks(hooks),
	}
	if o.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(o.TLS.Clone()))
	}
	mechanism, err := login(o)
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func login(o Options) (sasl.Mechanism, error) {
	password := scram.Auth{User: o.Username, Pass: o.Password}
	switch o.SASL {
	case "":
		return nil, nil
	case "plain":
		return plain.Auth{User: o.Username, Pass: o.Password}.AsMechanism(), nil
	case "scram-sha-256":
		return password.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return password.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("kafka options refused: SASL mechanism %q is not known; use plain, scram-sha-256 or scram-sha-512", o.SASL)
}

// producing: what is confirmed is on all replicas in sync. Envelopes are not compressed, for most are sealed and would not shrink.
// Cancellation gives up what is in flight, so that nothing waits in memory beyond its Publish; what was given up may arrive all the same.
func producing(limit func(topic string) int32) []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.AllowIdempotentProduceCancellation(),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytesFn(limit),
		kgo.ProducerLinger(0),
		kgo.ProduceRequestTimeout(publishTimeout),
		kgo.MaxBufferedBytes(64 << 20),
		kgo.UnknownTopicRetries(10), // a topic just made is not known to all brokers yet
	}
}

// consuming: a member of the topic's group. A new group begins with the oldest message, so nothing published before is passed over.
// Rebalances move only those partitions that change hands, and only while no poll's records are being noted.
func (s *subscription) consuming() []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumerGroup(s.topic),
		kgo.ConsumeTopics(s.topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.HeartbeatInterval(heartbeat),
		kgo.RebalanceTimeout(rebalanceLimit),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(partitionBytes),
	}
}

// backoff is how long to wait after the nth failure in a row.
func backoff(n int) time.Duration {
	d := firstBackoff
	for ; n > 1 && d < longestBackoff; n-- {
		d *= 2
	}
	return min(d, longestBackoff)
}
