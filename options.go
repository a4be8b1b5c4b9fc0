package posthorn

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"time"

	"posthorn/adapters/badgerstore"
	"posthorn/adapters/gochannel"
	"posthorn/adapters/restycaller"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/ports"
)

// Options say where an engine lives and what it stands on. Dir alone is enough; with a Store and a Key of your own, not even that.
type Options struct {
	// Dir is the data directory, made with mode 0700 if it does not exist. One process at a time may hold it.
	Dir string
	// WaitLock is how long Open waits for the process that holds Dir to let go of it, as in a restart where the new process is started
	// before the old one is told to stop. 0 does not wait; then, and after that time, Open returns ErrLocked.
	WaitLock time.Duration
	// Store, Bus and Caller replace the usual ones: Badger in Dir, Watermill over Go channels, resty. They belong to the engine from
	// Open on, which closes the store and ends the bus when it stops.
	Store  ports.Store
	Bus    ports.Bus
	Caller ports.Caller
	// NoDispatch leaves all attempts to dispatchers in other processes: see engine.Dispatcher. It needs a Bus that reaches them, and a Key
	// that they have too.
	NoDispatch bool
	// TopicPrefix begins the names of the Bus's topics; empty means posthorn.
	TopicPrefix string
	// Inbox accepts messages and candidates from the Bus's topic inbox; PublishEvents puts every event of the log on its topic events, and
	// PublishEventPayloads adds messages' data and profiles. They need a Bus that reaches others. docs/inbox.md and docs/events.md have the forms.
	Inbox                               bool
	PublishEvents, PublishEventPayloads bool

	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Hooks are called as things happen.
	Hooks Hooks
	// Defaults is the policy of webhooks that do not ask for their own. The zero value is the Standard Webhooks schedule over three
	// days and a timeout of 15 s.
	Defaults Policy
	// DisableAfter is for how long a webhook may fail without one success before it is disabled; 0 means 5 days, less than 0 disables none.
	DisableAfter time.Duration
	// NoBreaker lets webhooks be called as their schedules say, however many of the attempts fail.
	NoBreaker bool
	// AllowTargets may be called although they are private or loopback addresses: networks, addresses or names, each also with a
	// port, as adapters/restycaller.ParseTargets reads them. It holds for the usual Caller.
	AllowTargets []string
	// AllowPrivateTargets allows all of them: for development only.
	AllowPrivateTargets bool
	// Proxy is the URL of a forward proxy for the calls, as adapters/restycaller.ParseProxy reads it; empty leaves it to HTTPS_PROXY,
	// HTTP_PROXY and NO_PROXY in the environment. Targets are judged all the same. RootCAs are the authorities trusted for https, in
	// place of the system's; nil means the system's. Both hold for the usual Caller.
	Proxy   string
	RootCAs *x509.CertPool
	// Key seals secrets. The zero value takes it from the file secret.key in Dir, which is made with mode 0600 for a new directory, and which
	// RotateMaster changes. OldKeys open what was sealed before Key was the newest; MasterKey tells when they can go.
	Key     Key
	OldKeys []Key
	// Retention is how long a call is kept after the last that happened to it, and a message as long as its calls; 0 keeps all for ever.
	Retention time.Duration
	// UserAgent of the calls; empty means Posthorn.
	UserAgent string
}

// build makes what o does not bring. When it fails it has closed what it made, and what o brought for the engine to own.
func (o Options) build(ctx context.Context) (engine.Options, io.Closer, error) {
	out := engine.Options{
		Store: o.Store, Bus: o.Bus, Caller: o.Caller, Key: o.Key, OldKeys: o.OldKeys,
		Logger: o.Logger, Hooks: o.Hooks, Defaults: o.Defaults, UserAgent: o.UserAgent, NoDispatch: o.NoDispatch, TopicPrefix: o.TopicPrefix,
		Inbox: o.Inbox, PublishEvents: o.PublishEvents, PublishEventPayloads: o.PublishEventPayloads,
		DisableAfter: o.DisableAfter, NoBreaker: o.NoBreaker, Retention: o.Retention,
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	calling, err := o.check()
	if err != nil {
		return out, nil, errors.Join(err, closeStore(o.Store))
	}
	if out.Store == nil {
		if err := checkRestored(o.Dir); err != nil {
			return out, nil, err
		}
		if out.Store, err = badgerstore.Open(ctx, badgerstore.Options{
			Dir: o.Dir, Logger: out.Logger, WaitLock: o.WaitLock, Forgetful: o.Retention > 0,
		}); err != nil {
			return out, nil, err
		}
	}
	if out.Key == (Key{}) {
		file := keyFile(o.Dir)
		keys, err := file.keys(ctx, out.Store)
		if err != nil {
			return out, nil, errors.Join(err, out.Store.Close())
		}
		out.Key, out.OldKeys, out.SaveKeys = keys[0], keys[1:], file.write
	}
	if out.Bus == nil {
		channel := gochannel.New()
		out.Bus = watermillbus.New(channel, channel, watermillbus.Options{Logger: out.Logger, Local: true})
	}
	if out.Caller != nil || o.NoDispatch {
		return out, nil, nil
	}
	caller, err := restycaller.New(calling)
	if err != nil {
		return out, nil, errors.Join(err, out.Store.Close())
	}
	out.Caller = caller
	return out, caller, nil
}

// check looks for mistakes before anything is made. It returns what the usual Caller is made with.
func (o Options) check() (calling restycaller.Options, err error) {
	calling = restycaller.Options{AllowPrivate: o.AllowPrivateTargets, RootCAs: o.RootCAs}
	switch {
	case o.Store == nil && o.Dir == "":
		return calling, errors.New("open posthorn: neither Dir nor Store was given; events must be kept somewhere; set Options.Dir")
	case o.NoDispatch && (o.Bus == nil || o.Key == Key{}):
		return calling, errors.New("open posthorn: NoDispatch is refused: other processes are to make the attempts, " +
			"and need the Bus and the Key; give both")
	}
	if calling.Allow, err = restycaller.ParseTargets(o.AllowTargets); err != nil {
		return calling, err
	}
	if o.Caller == nil && !o.NoDispatch { // else the environment's proxy is no matter of ours
		calling.Proxy, err = restycaller.ParseProxy(o.Proxy)
	}
	return calling, err
}

// release ends a bus that no engine has taken over. It has no Close: to run it for no time releases its transport.
func release(b ports.Bus) error {
	if b == nil {
		return nil
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return b.Run(ended)
}

func closeStore(s ports.Store) error {
	if s == nil {
		return nil
	}
	return s.Close()
}
