package memstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"posthorn/adapters/memstore"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	portstest.Store(t, portstest.StoreOptions{
		Open: func(testing.TB, string) ports.Store { return memstore.New() },
	})
}
