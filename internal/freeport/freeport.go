// Package freeport finds TCP ports for servers that stop and start again on the same one, for tests and bench.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports below those that Linux gives to clients by itself (ip_local_port_range begins at 32,768): while a server is down no client's
// connection can take its port, nor connect to itself, and no server that asked for any port gets it.
const (
	first = 20_000
	last  = 32_000
)

// Take returns a TCP port of 127.0.0.1 on which nothing listens, and which no other Take of this machine returns until ctx ends: it
// holds the UDP port of the same number as the sign of that, so that a process that dies gives its ports back. It fails if none is
// found in 100 tries. It may be called by many goroutines at once.
func Take(ctx context.Context) (int, error) {
	for range 100 {
		port := first + rand.IntN(last-first) //nolint:gosec // any will do
		if take(ctx, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: 100 between %d and %d are all taken", first, last)
}

// take says whether the port was free, and holds its sign until ctx ends; also that of a port on which something listens, which is of use to nobody.
func take(ctx context.Context, port int) bool {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var listen net.ListenConfig
	sign, err := listen.ListenPacket(ctx, "udp", address)
	if err != nil {
		return false
	}
	context.AfterFunc(ctx, func() { _ = sign.Close() }) // nothing was sent through it, and nobody waits for what it says
	l, err := listen.Listen(ctx, "tcp", address)
	return err == nil && l.Close() == nil
}
