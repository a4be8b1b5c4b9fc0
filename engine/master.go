package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A MasterKey says where the keys stand that secrets are sealed under.
type MasterKey struct {
	// Keys is how many the engine has been given or keeps; the newest seals, all open.
	Keys int `json:"keys"`
	// InUse is how many of them something is still sealed under. When it is 1, all keys but the newest can go.
	InUse int `json:"inUse"`
	// Resealing is true while a job seals everything under the newest.
	Resealing bool `json:"resealing"`
}

// A masterRing keeps the ring of master keys and moves a store from one to the next. The store's mark names the keys that something may be
// sealed under: it holds the store's own key, sealed under each of them. A crash leaves a mark that names too many keys, never too few, and
// the next start goes on. Its methods are safe for concurrent use, but step and retire, which are the jobs' goroutine's.
type masterRing struct {
	store  ports.Store
	sealer sealer
	submit func(context.Context, *command) error
	save   func([]Key) error // nil where somebody else keeps the keys
	log    *slog.Logger

	own   []byte     // the store's own key, set by resume; fingerprints are made with it, so that they outlive a master key
	turns sync.Mutex // a rotation begins, or one ends
	after []byte     // the last webhook that the job has seen
}

// keyCheck is the purpose that the mark is sealed for.
const keyCheck = "this store belongs to this key"

// readMark returns the store's own key, and which of the ring something may be sealed under.
func (m *masterRing) readMark(r ports.Reader) (own []byte, inUse []lock, err error) {
	mark, err := optional(r.Get(core.KeyMark()))
	if err != nil || mark == nil {
		return nil, nil, err
	}
	part := KeyBytes + m.sealer.newest().aead.Overhead()
	if len(mark)%part != 0 {
		part = len(mark) // of a version that knew one key
	}
	for sealed := range slices.Chunk(mark, part) {
		opened, by, err := m.sealer.openStored(keyCheck, sealed)
		switch {
		case err != nil && len(mark) > part:
			return nil, nil, fmt.Errorf("a rotation of the secret key is not done, and a part of the store %w; "+
				"give all keys that were given when it began, the newest first", err)
		case err != nil:
			return nil, nil, fmt.Errorf("the store %w; give the key that it was made with", err)
		}
		inUse = append(inUse, by)
		if len(opened) == KeyBytes {
			own = opened
		}
	}
	return own, inUse, nil
}

// markOf is the mark that names keys.
func markOf(own []byte, inUse []lock) ports.Pair {
	var value []byte
	for _, l := range inUse {
		value = append(value, l.seal(keyCheck, own)...)
	}
	return ports.Pair{Key: core.KeyMark(), Value: value}
}

// withNewest adds the newest key to those in use.
func (m *masterRing) withNewest(inUse []lock) []lock {
	newest := m.sealer.newest()
	if slices.ContainsFunc(inUse, func(l lock) bool { return l.key == newest.key }) {
		return inUse
	}
	return append(slices.Clone(inUse), newest)
}

// resume reads the mark at a start, and returns it as it is to be from now on if it changes; resealing tells that something is sealed
// under an older key than the newest. An old key that the file alone still holds is taken out.
func (m *masterRing) resume(r ports.Reader) (mark []ports.Pair, resealing bool, err error) {
	own, before, err := m.readMark(r)
	if err != nil {
		return nil, false, err
	}
	inUse := m.withNewest(before)
	if m.own = own; own == nil {
		m.own = make([]byte, KeyBytes)
		mustRead(rand.Reader, m.own)
	}
	if own == nil || len(inUse) > len(before) {
		mark = append(mark, markOf(m.own, inUse))
	}
	if len(inUse) > 1 {
		return mark, true, nil
	}
	return mark, false, m.dropOld()
}

// dropOld leaves the newest key alone where the keys are ours to keep, and else says that the others can go.
func (m *masterRing) dropOld() error {
	keys := m.sealer.keys()
	switch {
	case len(keys) == 1:
		return nil
	case m.save == nil:
		m.log.Info("everything is sealed under the newest secret key; the older ones can be taken out of POSTHORN_SECRET_KEY", "older", len(keys)-1)
		return nil
	}
	if err := m.save(keys[:1]); err != nil {
		return fmt.Errorf("keep the newest secret key alone: %w", err)
	}
	m.log.Info("everything is sealed under the newest secret key; the older ones are gone", "older", len(keys)-1)
	return m.sealer.swap(keys[:1])
}

// status tells what the store and the ring are.
func (m *masterRing) status(ctx context.Context) (MasterKey, []lock, error) {
	out := MasterKey{Keys: len(m.sealer.keys())}
	var inUse []lock
	err := m.store.View(ctx, func(r ports.Reader) (err error) {
		if _, inUse, err = m.readMark(r); err != nil {
			return err
		}
		out.Resealing, err = core.Resealing(core.NewState(r.Get))
		return err
	})
	out.InUse = len(inUse)
	return out, inUse, err
}

// rotate draws a new key, keeps it beside the old one, and begins the job. One that is under way, or could not be begun, goes on instead.
func (m *masterRing) rotate(ctx context.Context) (MasterKey, error) {
	m.turns.Lock()
	defer m.turns.Unlock()
	status, inUse, err := m.status(ctx)
	if err != nil || status.Resealing {
		return status, err
	}
	if len(m.withNewest(inUse)) == len(inUse) { // else a rotation was cut off before it began
		if err := m.draw(); err != nil {
			return status, err
		}
	}
	err = m.submit(ctx, &command{
		mark:   markOf(m.own, m.withNewest(inUse)),
		decide: func(b *batch) (core.Decision, error) { return core.RotateMasterKey(b.State) },
	})
	if err != nil {
		return status, fmt.Errorf("begin to reseal: %w", err)
	}
	status, _, err = m.status(ctx)
	return status, err
}

// draw puts a new key in force, once it is kept: nothing may be sealed under a key that a crash could take away.
func (m *masterRing) draw() error {
	if m.save == nil {
		return fmt.Errorf("the secret key is not rotated here: it was given in POSTHORN_SECRET_KEY or Options.Key, which the engine cannot "+
			"change: %w; make a key with `openssl rand -hex 32`, give dispatchers \"OLD NEW\" if there are any, then set POSTHORN_SECRET_KEY "+
			"to \"NEW OLD\" and restart: sealing anew begins by itself, and `posthorn key rotate-master --status` tells when OLD can go", ports.ErrConflict)
	}
	var raw [KeyBytes]byte
	mustRead(rand.Reader, raw[:])
	keys := append([]Key{NewKey(raw)}, m.sealer.keys()...)
	if err := m.save(keys); err != nil {
		return fmt.Errorf("keep the new secret key: %w", err)
	}
	return m.sealer.swap(keys)
}

// RotateMaster draws a new master key, has it kept, and begins to seal everything under it while the engine runs; a rotation that is under way
// goes on instead. It returns ErrConflict with what to do where the keys are somebody else's to keep.
func (e *Engine) RotateMaster(ctx context.Context) (MasterKey, error) {
	out, err := e.masterRing.rotate(ctx)
	return out, wrap(err, "rotate", "master key")
}

// MasterKey tells where the master keys stand.
func (e *Engine) MasterKey(ctx context.Context) (MasterKey, error) {
	out, _, err := e.masterRing.status(ctx)
	return out, err
}

// RotateStopped seals everything in a store that no engine runs over under the newest of keys, or where save is there under a new one, and
// returns when it is done. A rotation that was cut off goes on instead. The store stays the caller's; save is Options.SaveKeys.
func RotateStopped(ctx context.Context, store ports.Store, keys []Key, save func([]Key) error) (MasterKey, error) {
	if len(keys) == 0 {
		return MasterKey{}, errors.New("rotate the master key: no key was given; what is sealed cannot be opened; set POSTHORN_SECRET_KEY")
	}
	s, err := newStopped(ctx, store)
	if err != nil {
		return MasterKey{}, err
	}
	m := &masterRing{store: store, submit: s.submit, save: save, log: slog.New(slog.DiscardHandler)}
	if m.sealer, err = newSealer(keys[0], keys[1:]...); err != nil {
		return MasterKey{}, err
	}
	return m.rotateWhole(ctx)
}

// rotateWhole is rotate with the whole job.
func (m *masterRing) rotateWhole(ctx context.Context) (status MasterKey, err error) {
	err = m.store.View(ctx, func(r ports.Reader) (err error) {
		m.own, _, err = m.readMark(r)
		return err
	})
	if err == nil && m.own == nil {
		err = fmt.Errorf("the store names no key: no engine of this version has run over it: %w; start one first", ports.ErrConflict)
	}
	for begun := false; err == nil; begun = true {
		if !begun {
			status, err = m.rotate(ctx)
		} else {
			err = m.step(ctx)
		}
		if err != nil {
			break
		}
		if status, _, err = m.status(ctx); err == nil && !status.Resealing {
			return status, nil
		}
	}
	return status, wrap(err, "rotate", "master key")
}
