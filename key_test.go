package posthorn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn"
	"posthorn/adapters/memstore"
	"posthorn/engine"
)

// TestKeyFile: made once, for its owner alone, and kept.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	path := filepath.Join(dir, "secret.key")
	shut(t, open(t, posthorn.Options{Dir: dir}))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key file has mode %v, %v; want 0600", info.Mode(), err)
	}
	made := read(t, path)
	key, err := posthorn.ParseKey(made)
	if err != nil || key == (posthorn.Key{}) {
		t.Fatalf("the key file cannot be read: %v", err)
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 1 {
		t.Errorf("beside the key lies %v, %v", files, err)
	}
	shut(t, open(t, posthorn.Options{Dir: dir}))
	if read(t, path) != made {
		t.Error("the second start made another key")
	}
	shut(t, open(t, posthorn.Options{Dir: dir, Key: key})) // the same one, given
	other := filepath.Join(t.TempDir(), "data")
	shut(t, open(t, posthorn.Options{Dir: other}))
	if read(t, filepath.Join(other, "secret.key")) == made {
		t.Error("two directories have the same key")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestKeyFileRefused: each refusal says what to do, and once that is done the directory opens.
func TestKeyFileRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	shut(t, open(t, posthorn.Options{Dir: dir}))
	key := read(t, path)
	damage := func(change func() error, parts ...string) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		err := refusal(t, posthorn.Options{Dir: dir})
		hold(t, err, parts...)
		if text := strings.TrimSpace(key); strings.Contains(err.Error(), text[:16]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	write := func(text string) func() error { return func() error { return os.WriteFile(path, []byte(text), 0o600) } }

	damage(func() error { return os.Chmod(path, 0o644) }, path+" has mode 0644; others could read it; run chmod 600 "+path)
	damage(func() error { return os.Chmod(path, 0o610) }, "has mode 0610")
	damage(func() error { return os.Remove(path) }, path+" is missing and the store has events; their secrets are sealed under it; put it back")
	damage(write(strings.Repeat("ab", 32)), "the store does not open under this secret key; give the key that it was made with")
	damage(write(key[:63]), path, "the secret key of 63 characters cannot be read; it is 32 bytes in hex or base64; make one with")
	damage(write(""), "the secret key of 0 characters cannot be read")
	refused(t, posthorn.Options{Dir: dir, Key: engine.NewKey([engine.KeyBytes]byte{1})}, "does not open under this secret key")

	if err := write(key)(); err != nil {
		t.Fatal(err)
	}
	open(t, posthorn.Options{Dir: dir})
}

// TestKeyFileOfACrash: a start that was cut off while it made the key leaves nothing that hinders the next one.
func TestKeyFileOfACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.key.new"), []byte("4f"), 0o600); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, posthorn.Options{Dir: dir}))
	open(t, posthorn.Options{Dir: dir})
}

// TestKeyFileForAStore: a Store of one's own with a Dir has its key there.
func TestKeyFileForAStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, posthorn.Options{Dir: dir, Store: memstore.New()})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory holds %v, %v; want the key alone", files, err)
	}
}
