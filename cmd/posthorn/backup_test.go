package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
)

// TestBackupThatBreaksOff: a server that dies while it sends a backup leaves no file, of whatever name; and asked again, it gives one.
func TestBackupThatBreaksOff(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	for n := range 20 {
		if err := store.Apply(t.Context(), ports.Commit{Puts: []ports.Pair{{Key: []byte{byte(n)}, Value: make([]byte, 50_000)}}}); err != nil {
			t.Fatal(err)
		}
	}
	var whole bytes.Buffer
	if _, err := engine.Backup(t.Context(), store, &whole, nil); err != nil {
		t.Fatal(err)
	}
	left := whole.Len() / 2
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(whole.Bytes()[:left]); err == nil && left < whole.Len() {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	out := filepath.Join(dir, "b")
	backup := func() (int, string) {
		var told bytes.Buffer
		return run([]string{"backup", "--server", server.URL, "--out", out}, strings.NewReader(""), io.Discard, &told), told.String()
	}
	if code, told := backup(); code != exitUnreachable || !strings.Contains(told, "run it again") || strings.Count(told, "\n") != 1 {
		t.Errorf("exit %d: %s", code, told)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
		t.Errorf("it left %v, %v", found, err)
	}
	left = whole.Len()
	if code, told := backup(); code != exitOK {
		t.Errorf("exit %d: %s", code, told)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, whole.Bytes()) {
		t.Errorf("the file has %d bytes of %d, %v", len(got), whole.Len(), err)
	}
}
