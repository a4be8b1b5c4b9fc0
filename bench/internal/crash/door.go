package crash

import (
	"context"
	"errors"
	"sync"
)

// errBroken is a connection that ended without a kill.
var errBroken = errors.New("the server broke off without being killed")

// A door keeps commands from a server that is down, and counts those that are under way. Its methods may be called from many goroutines at
// once, but shut, reopen and left, which are the killer's.
type door struct {
	mu       sync.Mutex
	life     int           // of the server, from 1: each kill ends one
	opened   chan struct{} // closed when the door opens; nil while it is open
	emptied  chan struct{} // closed when nobody is inside any more, while the door is shut
	inside   int
	unserved map[int]int // life -> commands that it left unanswered
}

func newDoor() *door { return &door{life: 1, unserved: map[int]int{}} }

// enter waits until the server may be asked, and returns which life of it is.
func (d *door) enter(ctx context.Context) (life int, err error) {
	for {
		d.mu.Lock()
		opened := d.opened
		if opened == nil {
			d.inside++
			life = d.life
		}
		d.mu.Unlock()
		if opened == nil {
			return life, nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// leave ends a command. One that was not answered is right only if its server was killed.
func (d *door) leave(life int, answered bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 && d.opened != nil {
		close(d.emptied)
	}
	if answered {
		return nil
	}
	d.unserved[life]++
	if life == d.life && d.opened == nil {
		return errBroken
	}
	return nil
}

// shut lets nobody in any more, and returns how many are inside.
func (d *door) shut() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened, d.emptied = make(chan struct{}), make(chan struct{})
	if d.inside == 0 {
		close(d.emptied)
	}
	return d.inside
}

// left waits until nobody is inside a door that is shut, and returns how many were not answered in this life.
func (d *door) left(ctx context.Context) (int, error) {
	select {
	case <-d.emptied: // shut and left have one caller
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unserved[d.life], nil
}

// reopen lets in again; reborn says that it is another life.
func (d *door) reopen(reborn bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if reborn {
		d.life++
	}
	close(d.opened)
	d.opened = nil
}
