package posthorn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthorn"
	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/harness"
	"posthorn/ports"
)

// refused opens what must not open, and checks the parts of the error.
func refused(t *testing.T, o posthorn.Options, parts ...string) {
	t.Helper()
	hold(t, refusal(t, o), parts...)
}

func refusal(t *testing.T, o posthorn.Options) error {
	t.Helper()
	ph, err := posthorn.Open(bounded(t), o)
	if err == nil {
		shut(t, ph)
		t.Fatalf("Open took %+v", o)
	}
	return err
}

func hold(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q; it should hold %q", err, part)
		}
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ph := open(t, posthorn.Options{Dir: dir})
	err := refusal(t, posthorn.Options{Dir: dir})
	hold(t, err, dir, fmt.Sprintf("pid %d;", os.Getpid()), "stop it")
	if !errors.Is(err, posthorn.ErrLocked) {
		t.Errorf("Open returned %v, want %v", err, posthorn.ErrLocked)
	}
	create(t, ph) // the first one does not mind
	shut(t, ph)
	open(t, posthorn.Options{Dir: dir})
}

func TestOpenZeroOptions(t *testing.T) {
	t.Parallel()
	const want = "open posthorn: neither Dir nor Store was given; events must be kept somewhere; set Options.Dir"
	if err := refusal(t, posthorn.Options{}); err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
}

// A closeCounter is a store that tells how often it was closed.
type closeCounter struct {
	ports.Store
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return c.Store.Close()
}

// An idleBus tells that it was run, which is how a bus is released.
type idleBus struct {
	ports.Bus
	runs int
}

func (b *idleBus) Run(context.Context) error { b.runs++; return nil }

// TestOpenClosesWhatItWasGiven: whatever the reason, a store and a bus given to Open are released when Open fails.
func TestOpenClosesWhatItWasGiven(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	key := engine.NewKey([engine.KeyBytes]byte{1})
	for name, c := range map[string]struct {
		ctx     context.Context
		options posthorn.Options
		want    string
	}{
		"bad target":      {t.Context(), posthorn.Options{Key: key, AllowTargets: []string{"10.0.0.0/8", "http://x"}}, `allowed target "http://x" refused: it is a URL; write`},
		"no key":          {t.Context(), posthorn.Options{}, "open posthorn: a Store was given but neither Key nor Dir; secrets are sealed under a key; set Options.Key"},
		"key unreadable":  {t.Context(), posthorn.Options{Dir: keyDir(t, "no key", 0o600)}, "cannot be read; it is 32 bytes in hex or base64; make one"},
		"nobody calls":    {t.Context(), posthorn.Options{NoDispatch: true}, "open posthorn: NoDispatch is refused: other processes are to make the attempts"},
		"ended context":   {ended, posthorn.Options{Key: key}, context.Canceled.Error()},
		"ended, key file": {ended, posthorn.Options{Dir: t.TempDir()}, context.Canceled.Error()},
	} {
		store := &closeCounter{Store: memstore.New()}
		bus := &idleBus{}
		c.options.Store, c.options.Bus = store, bus
		ph, err := posthorn.Open(c.ctx, c.options)
		if err == nil {
			shut(t, ph)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Open returned %v, want %q", name, err, c.want)
		}
		if store.closed != 1 {
			t.Errorf("%s: the store was closed %d times, want once", name, store.closed)
		}
		if bus.runs != 1 {
			t.Errorf("%s: the bus was run %d times, want once, for no time", name, bus.runs)
		}
	}
}

// TestOpenFailsWithoutTrace: a refused option leaves no lock behind.
func TestOpenFailsWithoutTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	refused(t, posthorn.Options{Dir: dir, AllowTargets: []string{"10.0.0.300"}}, `"10.0.0.300" refused`, "looks like an address", "write a network")
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
	open(t, posthorn.Options{Dir: dir})
}

// TestReopen: what was there before Close is there after Open, and nothing else but the start itself.
func TestReopen(t *testing.T) {
	t.Parallel()
	receiver := harness.NewReceiver(t)
	dir := t.TempDir()
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	create(t, ph)
	ended(t, ph, "CallSucceeded")
	before, last := snapshot(t, ph, ^uint64(0))
	shut(t, ph)

	ph = open(t, posthorn.Options{Dir: dir})
	after, _ := snapshot(t, ph, last)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the data changed (-before +after):\n%s", diff)
	}
	create(t, ph) // it goes on where it stood
	if err := receiver.AwaitUnique(bounded(t), 2); err != nil {
		t.Error(err)
	}
	if a := receiver.Account(); !a.OK() || a.Verified != 2 {
		t.Error(a)
	}
}

// snapshot is all that the queries tell, as JSON, with the events up to a seq; and the seq of the last of them.
func snapshot(t *testing.T, ph *posthorn.Posthorn, upTo uint64) (text string, last uint64) {
	t.Helper()
	ctx := bounded(t)
	webhooks, err := ph.Webhooks(ctx, posthorn.ListQuery{Company: company})
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := ph.Candidates(ctx, posthorn.ListQuery{Company: company})
	if err != nil {
		t.Fatal(err)
	}
	page, err := ph.Events(ctx, posthorn.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	events := page.Items
	for len(events) > 0 && events[len(events)-1].Seq > upTo {
		events = events[:len(events)-1]
	}
	details := map[string]posthorn.CallDetail{}
	for _, c := range calls(t, ph) {
		if details[c.ID], err = ph.Call(ctx, company, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	out, err := json.MarshalIndent([]any{webhooks, candidates, events, details}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out), events[len(events)-1].Seq
}

// TestLoopbackIsRefused: by default a webhook cannot reach what only this machine should. The call ends at once, and says what to do.
func TestLoopbackIsRefused(t *testing.T) {
	t.Parallel()
	receiver := harness.NewReceiver(t)
	ph, err := posthorn.Open(bounded(t), posthorn.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, ph) })
	if _, err := ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: company, URL: receiver.URL(), EventTypes: []string{"*"}}); err != nil {
		t.Fatal(err)
	}
	create(t, ph)
	c := ended(t, ph, "CallFailed")[0]
	address := strings.TrimPrefix(receiver.URL(), "http://")
	if c.State != posthorn.Failed || c.LastClass != ports.ClassBlocked || c.Reason != "target refused" || c.AttemptCount != 1 ||
		!strings.Contains(c.LastError, "allow it with --allow-target "+address) {
		t.Errorf("the call is %+v", c)
	}
	if n := receiver.Account().Deliveries; n != 0 {
		t.Errorf("%d deliveries came all the same", n)
	}
}

// keyDir makes a directory with a key file of a mode.
func keyDir(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return dir
}
