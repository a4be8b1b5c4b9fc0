package badgerstore

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	portstest.Store(t, portstest.StoreOptions{
		Open: func(tb testing.TB, dir string) ports.Store {
			tb.Helper()
			return open(tb, dir)
		},
		Durable: true,
	})
}

func testOptions(dir string) Options {
	return Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), DiskFloor: 1}
}

// open opens a store for a test. set changes its options.
func open(tb testing.TB, dir string, set ...func(*Options)) *Store {
	tb.Helper()
	o := testOptions(dir)
	for _, change := range set {
		change(&o)
	}
	s, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
