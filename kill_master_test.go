package posthorn_test

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"posthorn"
	"posthorn/engine"
	"posthorn/harness"
)

// TestKillInAMasterRotation: killed while secrets are sealed anew beside live traffic, three times, and started again: the rotation is finished,
// calls are signed, and the old key opens nothing any more.
func TestKillInAMasterRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "secret.key")
	receiver := harness.NewReceiver(t, harness.Options{Keep: 1_000_000})
	ph := open(t, posthorn.Options{Dir: dir})
	wh := register(t, ph, receiver)
	for n := range 2000 {
		if _, err := ph.RegisterWebhook(bounded(t), posthorn.NewWebhook{
			Company: "other-" + strconv.Itoa(n%500), URL: receiver.URL(), EventTypes: []string{"never"}, Headers: map[string]string{"X-Api-Key": "hush-5f1e"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, ph)
	old := read(t, file)
	next := engine.NewKey([engine.KeyBytes]byte{7})
	if err := os.WriteFile(file, []byte(next.Text()+"\n"+old), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"2", "3", "4"} {
		burst(t, dir, name, 1)
	}
	ph = open(t, posthorn.Options{Dir: dir})
	status, err := ph.MasterKey(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if status.Resealing {
		ended(t, ph, "JobEnded")
	}
	allEnded(t, ph)
	shut(t, ph)
	shut(t, open(t, posthorn.Options{Dir: dir})) // had it stopped right behind the last commit, a start still has the file to write
	if text := read(t, file); strings.TrimSpace(text) != next.Text() {
		t.Error("the key file does not hold the new key alone")
	}
	key, err := posthorn.ParseKey(old)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, posthorn.Options{Dir: dir, Key: key}, "does not open under this secret key")
	sound(t, dir)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(wh.Secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	holdsNone(t, dir, "hush-5f1e", strings.TrimPrefix(wh.Secret, "whsec_"), string(raw), hex.EncodeToString(raw), strings.TrimSpace(old))
}

// holdsNone searches the bytes of all files of a directory.
func holdsNone(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for i, secret := range secrets {
			if strings.Contains(read(t, path), secret) {
				t.Errorf("%s holds secret %d", d.Name(), i)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
