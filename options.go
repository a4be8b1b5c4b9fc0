package posthorn

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	// Key seals secrets. The zero value takes it from the file secret.key in Dir, which is made with mode 0600 for a new directory.
	Key Key
	// UserAgent of the calls; empty means Posthorn.
	UserAgent string
}

const keyFile = "secret.key"

// build makes what o does not bring. When it fails it has closed what it made, and what o brought for the engine to own.
func (o Options) build(ctx context.Context) (engine.Options, io.Closer, error) {
	out := engine.Options{
		Store: o.Store, Bus: o.Bus, Caller: o.Caller, Key: o.Key,
		Logger: o.Logger, Hooks: o.Hooks, Defaults: o.Defaults, UserAgent: o.UserAgent, NoDispatch: o.NoDispatch, TopicPrefix: o.TopicPrefix,
		Inbox: o.Inbox, PublishEvents: o.PublishEvents, PublishEventPayloads: o.PublishEventPayloads,
		DisableAfter: o.DisableAfter, NoBreaker: o.NoBreaker,
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	calling, err := o.check()
	if err != nil {
		return out, nil, errors.Join(err, closeStore(o.Store))
	}
	if out.Store == nil {
		if out.Store, err = badgerstore.Open(ctx, badgerstore.Options{Dir: o.Dir, Logger: out.Logger}); err != nil {
			return out, nil, err
		}
	}
	if out.Key == (Key{}) {
		if out.Key, err = o.key(ctx, out.Store); err != nil {
			return out, nil, errors.Join(err, out.Store.Close())
		}
	}
	if out.Bus == nil {
		channel := gochannel.New()
		out.Bus = watermillbus.New(channel, channel, watermillbus.Options{Logger: out.Logger})
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

// key reads the key file, or makes one for a store that has no events yet. A store that has some was made under a key that is
// gone; another one would not open it.
func (o Options) key(ctx context.Context, store ports.Store) (Key, error) {
	if o.Dir == "" {
		return Key{}, errors.New("open posthorn: a Store was given but neither Key nor Dir; " +
			"secrets are sealed under a key; set Options.Key")
	}
	path := filepath.Join(o.Dir, keyFile)
	switch key, err := readKey(path); {
	case err == nil:
		return key, nil
	case !errors.Is(err, fs.ErrNotExist):
		return Key{}, err
	}
	var last uint64
	err := store.View(ctx, func(r ports.Reader) (err error) {
		last, err = r.LastSeq()
		return err
	})
	if err != nil {
		return Key{}, err
	}
	if last > 0 {
		return Key{}, fmt.Errorf("open posthorn: %s is missing and the store has events; "+
			"their secrets are sealed under it; put it back or set POSTHORN_SECRET_KEY", path)
	}
	return makeKey(path)
}

func readKey(path string) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, err
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("open posthorn: %s is refused: it is not a file, and should hold the key; put the key there or set POSTHORN_SECRET_KEY", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("open posthorn: %s has mode %04o; others could read it; run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	key, err := engine.ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

// makeKey writes a new key, and syncs file and directory: nothing may be sealed under a key that a crash could take away. The file gets
// its name when it is whole, for a start that was cut off must not leave half a key, which no later start would take.
func makeKey(path string) (Key, error) {
	var raw [engine.KeyBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return Key{}, fmt.Errorf("make %s: %w", path, err)
	}
	key := engine.NewKey(raw)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Key{}, fmt.Errorf("make %s: %w", path, err)
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return Key{}, fmt.Errorf("make %s: %w", path, err)
	}
	_, err = f.WriteString(key.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Key{}, fmt.Errorf("make %s: %w", path, err)
	}
	if err = errors.Join(os.Rename(f.Name(), path), syncDir(filepath.Dir(path))); err != nil {
		return Key{}, fmt.Errorf("make %s: %w", path, err)
	}
	return key, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
