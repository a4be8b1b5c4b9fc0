package restycaller_test

import (
	"testing"

	"go.uber.org/goleak"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a caller that may call loopback addresses.
func open(t *testing.T) ports.Caller {
	t.Helper()

	return openWith(t, restycaller.Options{AllowPrivate: true})
}

func openWith(t *testing.T, o restycaller.Options) *restycaller.Caller {
	t.Helper()

	c, err := restycaller.New(o)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})

	return c
}

func TestConformance(t *testing.T) {
	t.Parallel()
	portstest.Caller(t, open)
}
