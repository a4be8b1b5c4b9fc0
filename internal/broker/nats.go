package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn/internal/freeport"
)

// A NATS is a cluster of nats-server with JetStream.
type NATS struct {
	Addrs []string // of the nodes, "host:port"
	Nodes []*Process
}

// StartNATS runs a cluster of n nodes, 1 or 3, whose program is in the directory installed, with its data below the directory data,
// which is empty. It returns when all nodes serve JetStream, and keep streams together. further are arguments for each node.
func StartNATS(ctx context.Context, installed, data string, n int, further ...string) (*NATS, error) {
	c := &NATS{Addrs: make([]string, n), Nodes: make([]*Process, n)}
	routes := make([]string, n)
	for i := range n {
		client, err := freeport.Take(ctx)
		if err != nil {
			return nil, err
		}
		route, err := freeport.Take(ctx)
		if err != nil {
			return nil, err
		}
		c.Addrs[i] = "127.0.0.1:" + strconv.Itoa(client)
		routes[i] = "nats://127.0.0.1:" + strconv.Itoa(route)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, port, _ := strings.Cut(c.Addrs[i], ":")
			args := []string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", filepath.Join(data, strconv.Itoa(i+1)), "-n", "node-" + strconv.Itoa(i+1)}
			if n > 1 {
				args = append(args, "--cluster_name", "posthorn", "--cluster", routes[i], "--routes", strings.Join(routes, ","))
			}
			c.Nodes[i], errs[i] = Start(ctx, Spec{
				Name: "nats-server", Path: filepath.Join(installed, "nats-server"), Args: append(args, further...), Dir: data,
				Ready: func(ctx context.Context) error { return servesJetStream(ctx, c.Addrs[i]) },
			})
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	if err == nil && n > 1 {
		err = until(ctx, nil, c.keepTogether)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// URL is the cluster as --transport names it.
func (c *NATS) URL() string { return "nats://" + strings.Join(c.Addrs, ",") }

// Close ends all nodes.
func (c *NATS) Close() {
	for _, node := range c.Nodes {
		if node != nil {
			node.Kill()
		}
	}
}

// keepTogether makes a stream with a copy on each node, and removes it. The leader refuses to until it has heard of all nodes, which may
// be after each of them serves.
func (c *NATS) keepTogether(ctx context.Context) error {
	return overJetStream(c.URL(), func(js jetstream.JetStream) error {
		const name = "probe"
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Replicas: len(c.Nodes)}); err != nil {
			return fmt.Errorf("the cluster keeps no stream on %d nodes yet: %w", len(c.Nodes), err)
		}
		if err := js.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("remove stream %s: %w", name, err)
		}
		return nil
	})
}

// servesJetStream asks the node at addr for its account's figures, which a cluster knows once it has chosen a leader.
func servesJetStream(ctx context.Context, addr string) error {
	return overJetStream("nats://"+addr, func(js jetstream.JetStream) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second) // without a leader nobody answers
		defer cancel()
		if _, err := js.AccountInfo(ctx); err != nil {
			return fmt.Errorf("it serves no JetStream yet: %w", err)
		}
		return nil
	})
}

// overJetStream calls ask with a connection of its own to one of the servers, which it does not look for again.
func overJetStream(servers string, ask func(jetstream.JetStream) error) error {
	conn, err := nats.Connect(servers, nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return ask(js)
}
