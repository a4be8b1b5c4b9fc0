package posthorn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"posthorn/adapters/badgerstore"
	"posthorn/engine"
	"posthorn/ports"
)

// A keyFile is the file secret.key in a data directory: the master keys, a line each, the newest first. There is more than one while what is in
// the store is sealed anew.
type keyFile string // the directory

func (f keyFile) path() string { return filepath.Join(string(f), "secret.key") }

// keys reads the file, or makes one for a store that has no events yet. A store that has some was made under a key that is gone; another
// one would not open it.
func (f keyFile) keys(ctx context.Context, store ports.Store) ([]Key, error) {
	if f == "" {
		return nil, errors.New("open posthorn: a Store was given but neither Key nor Dir; " +
			"secrets are sealed under a key; set Options.Key")
	}
	switch keys, err := f.read(); {
	case err == nil:
		return keys, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	var last uint64
	err := store.View(ctx, func(r ports.Reader) (err error) {
		last, err = r.LastSeq()
		return err
	})
	if err != nil {
		return nil, err
	}
	if last > 0 {
		return nil, fmt.Errorf("open posthorn: %s is missing and the store has events; "+
			"their secrets are sealed under it; put it back or set POSTHORN_SECRET_KEY", f.path())
	}
	var raw [engine.KeyBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, fmt.Errorf("make %s: %w", f.path(), err)
	}
	keys := []Key{engine.NewKey(raw)}
	return keys, f.write(keys)
}

func (f keyFile) read() ([]Key, error) {
	path := f.path()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open posthorn: %s is refused: it is not a file, and should hold the key; put the key there or set POSTHORN_SECRET_KEY", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("open posthorn: %s has mode %04o; others could read it; run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := engine.ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return keys, nil
}

// write puts keys in place of those of the file, and syncs file and directory: nothing may be sealed under a key that a crash could take
// away. The file gets its name when it is whole, for what was cut off must not leave half a key, which no later start would take.
func (f keyFile) write(keys []Key) error {
	lines := make([]string, len(keys))
	for i, k := range keys {
		lines[i] = k.Text() + "\n"
	}
	if err := replaceFile(f.path(), strings.Join(lines, "")); err != nil {
		return fmt.Errorf("write %s: %w", f.path(), err)
	}
	return nil
}

func replaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(f.Name(), path), syncDir(filepath.Dir(path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RotateMasterKey seals everything in o.Dir, over which no engine may run, under another master key, and returns when it is done. Without
// o.Key a new key is drawn, and secret.key holds it alone; with o.Key everything is sealed under that one, and o.OldKeys, which open it,
// can go. What was cut off goes on when it is called again. It returns ErrLocked when a process holds the directory. Of o it looks at
// Dir, Key, OldKeys and Logger.
func RotateMasterKey(ctx context.Context, o Options) (_ MasterKey, err error) {
	if _, err := os.Stat(o.Dir); err != nil {
		return MasterKey{}, fmt.Errorf("rotate master key: %w; name the data directory of an engine", err)
	}
	store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: o.Dir, Logger: o.Logger})
	if err != nil {
		return MasterKey{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if o.Key != (Key{}) {
		return engine.RotateStopped(ctx, store, append([]Key{o.Key}, o.OldKeys...), nil)
	}
	file := keyFile(o.Dir)
	keys, err := file.read()
	if err != nil {
		return MasterKey{}, fmt.Errorf("rotate master key: %w", err)
	}
	return engine.RotateStopped(ctx, store, keys, file.write)
}
