package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	dialWait  = 2 * time.Second // for one server to answer
	pingEvery = 5 * time.Second // a connection on which two pings in a row stay unanswered is given up
)

// connect tries to connect, and if that fails leaves a goroutine that goes on trying until Close, which joins it. An error means that
// the options can never work.
func (t *Transport) connect() error {
	o := natsio.GetDefaultOptions()
	o.Name, o.Servers = "posthorn", t.o.Servers
	o.User, o.Password = t.o.User, t.o.Password
	o.Timeout, o.CustomDialer = dialWait, dialer{t}
	o.MaxReconnect, o.IgnoreAuthErrorAbort, o.CustomReconnectDelayCB = -1, true, backoff
	o.ReconnectBufSize = -1 // a Publish fails while the broker is away; it is not kept in memory
	o.PingInterval, o.MaxPingsOut = pingEvery, 2
	o.FlusherTimeout = requestWait // else a broker that hangs would hold a Publish for a minute
	o.ReconnectedCB = func(conn *natsio.Conn) { t.connected(conn) }
	o.DisconnectedErrCB = func(_ *natsio.Conn, err error) { t.disconnected(err) }
	o.AsyncErrorCB = func(_ *natsio.Conn, _ *natsio.Subscription, err error) { t.complain(err) }

	if err := t.o.secure(&o); err != nil {
		return err
	}
	if t.try(o) {
		return nil
	}
	t.receiving.Go(func() {
		for failures := 1; t.ctx.Err() == nil && !t.try(o); failures++ {
			pause(t.ctx, backoff(failures))
		}
	})
	return nil
}

// try tries to connect for the first time. From then on the connection itself comes back after each loss.
func (t *Transport) try(o natsio.Options) bool {
	conn, err := o.Connect()
	if err != nil {
		if !errors.Is(err, natsio.ErrNoServers) || t.link.reason() == nil { // else the dialer has told why
			t.complain(err)
		}
		return false
	}
	t.conn = conn
	t.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(requestWait),
		jetstream.WithPublishAsyncMaxPending(most), jetstream.WithPublishAsyncTimeout(requestWait))
	if err != nil { // only if one of these settings were wrong
		t.complain(err)
		conn.Close()
		return false
	}
	t.connected(conn)
	return true
}

// secure sets the files of credentials and certificates, and refuses what cannot be read. They are read again at each connection.
func (o Options) secure(to *natsio.Options) error {
	var settings []natsio.Option
	if o.Credentials != "" {
		settings = append(settings, natsio.UserCredentials(o.Credentials), func(*natsio.Options) error {
			_, err := os.Stat(o.Credentials)
			return err
		})
	}
	if o.CA != "" {
		settings = append(settings, natsio.RootCAs(o.CA))
	}
	if o.Certificate != "" {
		settings = append(settings, natsio.ClientCert(o.Certificate, o.Key))
	}
	for _, set := range settings {
		if err := set(to); err != nil {
			return fmt.Errorf("prepare the connection to NATS: %w; name PEM files in ca, cert and key, and a credentials file in creds", err)
		}
	}
	return nil
}

// connected is called once there is a connection. The broker may have come back without its streams.
func (t *Transport) connected(conn *natsio.Conn) {
	t.ready.Clear()
	t.link.up()
	t.log.Info("nats: connected", "server", conn.ConnectedUrlRedacted())
}

// disconnected is called once the connection is lost.
func (t *Transport) disconnected(err error) {
	if err == nil {
		err = errors.New("the connection was closed")
	}
	t.link.down(err)
	t.complain(err)
}

// complain notes what went wrong with the connection, and logs it when it is news.
func (t *Transport) complain(err error) {
	if t.link.blame(err) && t.ctx.Err() == nil {
		t.log.Warn("nats: connection fails; it is tried again all the time", "servers", t.o.Servers, "error", err)
	}
}

// A dialer dials for the connection, until Close. It tells why it could not, which nats.go keeps to itself.
type dialer struct{ t *Transport }

// Dial implements [natsio.CustomDialer].
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.t.ctx, dialWait)
	defer cancel()
	var dial net.Dialer
	conn, err := dial.DialContext(ctx, network, address)
	if err != nil {
		d.t.complain(err)
	}
	return conn, err
}
