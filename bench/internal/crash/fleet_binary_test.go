package crash

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	natsd "github.com/nats-io/nats-server/v2/server"

	"posthorn/adapters/nats"
	"posthorn/adapters/restycaller"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/ports"
)

// natsServer is what a link to the test's own program is called that is to be a broker.
const natsServer = "nats-server"

// installSelf makes a directory of brokers, in which the test's own program is the only one.
func installSelf(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "nats"), 0o700); err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(dir, "nats", natsServer))
}

// serveNATS does what the program nats-server does with these flags.
func serveNATS(args []string) error {
	o, err := natsd.ConfigureOptions(flag.NewFlagSet(natsServer, flag.ContinueOnError), args, nil, nil, nil)
	if err != nil {
		return err
	}
	s, err := natsd.NewServer(o)
	if err != nil {
		return err
	}
	if err := natsd.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}

// busOver is the bus that a transport's URL names, if one was given.
func busOver(ctx context.Context, url string) (ports.Bus, error) {
	if url == "" {
		return nil, nil //nolint:nilnil // then the engine makes its own
	}
	o, err := nats.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	t, err := nats.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return watermillbus.New(t, t, watermillbus.Options{Logger: o.Logger, Health: t.Health}), nil
}

// fleetKey is the key from the environment, the zero value without one.
func fleetKey() engine.Key {
	var key [32]byte
	if n, err := hex.Decode(key[:], []byte(os.Getenv("POSTHORN_SECRET_KEY"))); n != len(key) || err != nil {
		return engine.Key{}
	}
	return engine.NewKey(key)
}

// dispatch does what `posthorn dispatch` does, without pages.
func dispatch(ctx context.Context, out io.Writer, transport, target string) error {
	bus, err := busOver(ctx, transport)
	if err != nil {
		return err
	}
	targets, err := restycaller.ParseTargets([]string{target})
	if err != nil {
		return err
	}
	caller, err := restycaller.New(restycaller.Options{Allow: targets})
	if err != nil {
		return err
	}
	d, err := engine.NewDispatcher(engine.DispatcherOptions{Bus: bus, Caller: caller, Key: fleetKey()})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.WithoutCancel(ctx)) }() // ends with Shutdown
	// It has no page; any address says that it has begun.
	if _, err := fmt.Fprintf(out, "listening on http://%s\n", net.JoinHostPort("127.0.0.1", "1")); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(d.Shutdown(context.WithoutCancel(ctx)), <-ended)
}
