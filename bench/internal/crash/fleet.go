package crash

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"posthorn/internal/broker"
)

// A Fleet is what a run has beside the engine: dispatchers, which make all calls, and the broker between them.
type Fleet struct {
	// Transport is the broker: kafka, sqs or nats.
	Transport string
	// Installed is the directory that internal/broker/install.sh has put the brokers into.
	Installed string
	// Nodes is how many the broker has: 1 or 3, with SQS 1. At most one is down at a time.
	Nodes int
	// Dispatchers is how many there are.
	Dispatchers int
	// Order is what falls first: EngineKilled, DispatcherKilled, DispatcherStopped, BrokerKilled. What comes after is drawn.
	Order []string
	// AtOnce lets all fall one right after the other, instead of spread over the deliveries.
	AtOnce bool
	// Quiet is how long nothing must have come to the receiver before the account is taken.
	Quiet time.Duration
}

// A fleet is one that runs.
type fleet struct {
	dispatchers []*process
	nodes       []*broker.Process
	env, flags  []string // of the engine
	calm        time.Duration
	closeBroker func()
}

// open starts the broker, then the dispatchers. Without a Fleet there is nothing to start.
func (o *Fleet) open(ctx context.Context, binary, dir string) (*fleet, error) {
	f := &fleet{closeBroker: func() {}}
	if o == nil {
		return f, nil
	}
	if err := f.start(ctx, o, binary, dir); err != nil {
		return nil, errors.Join(err, f.end(err))
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context, o *Fleet, binary, dir string) error {
	url, err := f.startBroker(ctx, o, filepath.Join(dir, "broker"))
	if err != nil {
		return err
	}
	key, err := makeKey(filepath.Join(dir, "secret.key"))
	if err != nil {
		return err
	}
	f.calm = o.Quiet
	f.env = []string{"POSTHORN_SECRET_KEY=" + key}
	f.flags = []string{"--transport", url, "--no-dispatch"}
	for n := range o.Dispatchers {
		d, err := newProcess(binary, filepath.Join(dir, "log-dispatcher-"+strconv.Itoa(n+1)), f.env,
			"dispatch", "--listen", "127.0.0.1:0", "--allow-target", "127.0.0.0/8", "--log-format", "json", "--transport", url)
		if err != nil {
			return err
		}
		f.dispatchers = append(f.dispatchers, d)
		if err := d.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makeKey draws the fleet's key, and keeps it for whoever looks at the data later.
func makeKey(file string) (string, error) {
	var bytes [32]byte
	_, _ = rand.Read(bytes[:]) // it never fails
	key := hex.EncodeToString(bytes[:])
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		return "", fmt.Errorf("keep the fleet's key: %w", err)
	}
	return key, nil
}

// startBroker returns the URL for --transport.
func (f *fleet) startBroker(ctx context.Context, o *Fleet, data string) (url string, err error) {
	installed := filepath.Join(o.Installed, o.Transport)
	if installed, err = filepath.Abs(installed); err != nil {
		return "", err
	}
	if data, err = filepath.Abs(data); err != nil {
		return "", err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", fmt.Errorf("make the broker's directory: %w", err)
	}
	switch o.Transport {
	case "kafka":
		k, err := broker.StartKafka(ctx, installed, data, o.Nodes)
		if err != nil {
			return "", err
		}
		f.nodes, f.closeBroker = k.Nodes, k.Close
		return k.URL(), nil
	case "nats":
		n, err := broker.StartNATS(ctx, installed, data, o.Nodes)
		if err != nil {
			return "", err
		}
		f.nodes, f.closeBroker = n.Nodes, n.Close
		return n.URL() + "?replicas=" + strconv.Itoa(o.Nodes), nil
	case "sqs":
		s, err := broker.StartSQS(ctx, installed, data)
		if err != nil {
			return "", err
		}
		f.nodes, f.closeBroker = []*broker.Process{s.Process}, s.Close
		return s.URL(), nil
	default:
		return "", fmt.Errorf("transport %q is refused: there is no such broker; give kafka, sqs or nats", o.Transport)
	}
}

// end releases everything.
func (f *fleet) end(failed error) (err error) {
	for _, d := range f.dispatchers {
		err = errors.Join(err, d.end(failed))
	}
	f.closeBroker()
	return err
}

// quiet returns when nothing has come for a while, for a task may be begun some seconds after its call has ended by another, and the
// dispatchers have stopped: all outcomes are on the broker then.
func (f *fleet) quiet(ctx context.Context, w *witness) error {
	if len(f.dispatchers) == 0 {
		return nil
	}
	if err := w.receiver.AwaitIdle(ctx, f.calm); err != nil {
		return fmt.Errorf("wait until nothing comes any more: %w", err)
	}
	for _, d := range f.dispatchers {
		if err := d.stop(); err != nil {
			return err
		}
	}
	return nil
}
