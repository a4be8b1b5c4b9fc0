package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthorn/adapters/httpapi"
	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/ports"
)

func TestBackup(t *testing.T) {
	t.Parallel()
	b := open(t)
	publish := func() {
		_, err := b.Publish(t.Context(), engine.NewMessage{Company: "42", EventType: "a.b", Data: []byte(`"` + strings.Repeat("x", 100_000) + `"`)})
		ok(t, err)
	}
	for range 8 {
		publish()
	}
	var full, more bytes.Buffer
	made, err := b.Backup(t.Context(), &full, nil)
	ok(t, err)
	o, err := backup.Read(bytes.NewReader(full.Bytes()))
	ok(t, err)
	if made.Digest != o.Digest() || made.Bytes != uint64(full.Len()) || made.Since != nil || made.Held != made.Chunks {
		t.Errorf("the full backup is %+v, %s", made, o.Digest())
	}
	publish()
	since, err := b.Backup(t.Context(), &more, o)
	ok(t, err)
	if since.Since == nil || *since.Since != made.Digest || since.Held == 0 || since.Held >= since.Chunks || more.Len() >= full.Len() {
		t.Errorf("the increment is %+v, of %d bytes", since, more.Len())
	}
	if _, err := open(t).Backup(t.Context(), io.Discard, o); !errors.Is(err, ports.ErrConflict) {
		t.Errorf("an increment of another engine's: %v", err)
	}
	broken := errors.New("the disk is full")
	if _, err := b.Backup(t.Context(), fullDisk{broken}, nil); !errors.Is(err, broken) || errors.Is(err, httpclient.ErrUnreachable) {
		t.Errorf("a writer that fails gives %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Backup(ended, io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %v", err)
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }

// A cutOff engine fails in the middle of a backup.
type cutOff struct {
	httpapi.Engine
	after int
}

func (e cutOff) Backup(ctx context.Context, to io.Writer, since *backup.Outline) (backup.Summary, error) {
	var all bytes.Buffer
	_, err := e.Engine.Backup(ctx, &all, since)
	if err == nil && e.after > 0 {
		_, err = to.Write(all.Bytes()[:all.Len()-e.after])
	}
	return backup.Summary{}, errors.Join(err, errors.New("the store broke"))
}

// A backup that fails in the middle is an error to whoever reads it, be it cut by a byte.
func TestBackupThatIsCutOff(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, cut := range []int{1, 32, 300} {
		c, server := serve(t, cutOff{b.engine, cut})
		if _, err := c.Backup(t.Context(), io.Discard, nil); !errors.Is(err, httpclient.ErrUnreachable) {
			t.Errorf("cut by %d bytes: %v", cut, err)
		}
		server.Close()
	}
	c, server := serve(t, cutOff{b.engine, 0}) // before the first byte: a problem, as of any route
	if _, err := c.Backup(t.Context(), io.Discard, nil); err == nil || !strings.Contains(err.Error(), "(status 500)") {
		t.Errorf("failed before it began: %v", err)
	}
	server.Close()
}

// What does not build on what was asked for, and bodies that are no outline, are refused.
func TestBackupOutlines(t *testing.T) {
	t.Parallel()
	b := open(t)
	var full bytes.Buffer
	_, err := b.Backup(t.Context(), &full, nil)
	ok(t, err)
	o, err := backup.Read(bytes.NewReader(full.Bytes()))
	ok(t, err)
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(full.Bytes()) }))
	defer deaf.Close()
	if _, err := client(t, deaf.URL, deaf.Client()).Backup(t.Context(), io.Discard, o); err == nil || !strings.Contains(err.Error(), "does not build on") {
		t.Errorf("a full backup passed for an increment: %v", err)
	}
	for body, code := range map[string]int{
		"no outline, but something as long as one": http.StatusBadRequest, "short": http.StatusBadRequest, full.String(): http.StatusBadRequest, "": http.StatusOK,
	} {
		in, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/a/b/v1/backups", strings.NewReader(body))
		ok(t, err)
		in.Header.Set("Authorization", "Bearer "+key)
		answer, err := b.server.Client().Do(in)
		ok(t, err)
		text, err := io.ReadAll(answer.Body)
		ok(t, errors.Join(err, answer.Body.Close()))
		if answer.StatusCode != code || code != http.StatusOK && !strings.Contains(string(text), `"code":"malformed"`) {
			t.Errorf("%.20q: %d %.200s", body, answer.StatusCode, text)
		}
	}
}
