package broker

import (
	"os"
	"path/filepath"
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
