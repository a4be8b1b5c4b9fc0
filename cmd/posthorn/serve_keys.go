package main

import (
	"context"
	"net/http"
	"os"

	"posthorn"
	"posthorn/adapters/httpapi"
)

// Who is let in: everybody who reaches the port, while there is no key and only this machine can reach it; from the first key on, only who
// has one, the one of the settings or one of the engine's.

// checkListen refuses an address that anybody could use, as far as that can be told before the data directory is opened: one that there is
// not yet holds no key.
func (c *serveFlags) checkListen(ctx context.Context) error {
	if err := checkAddress(ctx, c.Listen); err != nil {
		return err
	}
	if found, err := os.ReadDir(c.Data); c.Key == "" && !loopback(c.Listen) && (err != nil || len(found) == 0) {
		return c.openToAll()
	}
	return nil
}

func (c *serveFlags) openToAll() error {
	return refuse("listen address %q is refused: without an API key anybody who reaches it could use it; "+
		"set POSTHORN_API_KEY, make a key with `posthorn key create`, or listen on 127.0.0.1", c.Listen)
}

// open tells whether no key is asked for.
func (c *serveFlags) open(engine *posthorn.Posthorn) bool { return c.Key == "" && !engine.HasKeys() }

// authorize asks for a key from the moment on that there is one.
func (c *serveFlags) authorize(engine *posthorn.Posthorn) authorizer {
	keys := httpapi.Keys(engine, c.Key)
	return func(r *http.Request) (httpapi.Access, error) {
		if c.open(engine) {
			return httpapi.AllowAll(r)
		}
		return keys(r)
	}
}
