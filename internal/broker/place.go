package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Variable is the environment variable with the directory that install.sh was given.
const Variable = "POSTHORN_BROKERS"

// TB is the part of testing.TB that Installed needs; this package does not import testing.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
}

// Installed returns the directory of an installed broker ("kafka", "sqs", "nats"), and skips the test where there is none.
func Installed(t TB, kind string) string {
	t.Helper()
	all := os.Getenv(Variable)
	if all == "" {
		t.Skipf("needs a real %s: make test/transports", kind)
	}
	return filepath.Join(all, kind)
}

// Ports below those that Linux gives to clients by itself (ip_local_port_range begins at 32,768): while a server is down no client's
// connection can take its port, nor connect to itself.
const (
	firstPort = 20_000
	lastPort  = 32_000
)

// FreePort returns a port of 127.0.0.1 on which nothing listens, and on which a killed server can listen again.
func FreePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // any will do
		l, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: 100 between %d and %d are all taken", firstPort, lastPort)
}
