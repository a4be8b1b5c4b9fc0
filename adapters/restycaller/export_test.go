package restycaller

import "syscall"

// NewWatched returns a caller that shows each address that the guard lets pass, and dials it only if allow says so: no test leaves the
// machine.
func NewWatched(o Options, allow func(address string) error) *Caller {
	g := newGuard(o)

	g.guarded.Control = func(network, address string, c syscall.RawConn) error {
		if err := g.control(network, address, c); err != nil {
			return err
		}

		return allow(address)
	}

	return newCaller(o, g)
}
