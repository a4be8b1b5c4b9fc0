package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares text with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", file, diff)
	}
}

// A request is one line of a golden's input.
type request struct {
	name         string
	method, path string
	body         string
	header       map[string]string
}

func send(h http.Handler, r request) *httptest.ResponseRecorder {
	in := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	if r.body != "" && !strings.HasPrefix(r.path, "/webhooks") && !strings.HasPrefix(r.path, "/candidates") {
		in.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		in.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	h.ServeHTTP(out, in)
	return out
}

// transcript sends requests one after the other and writes them with their answers.
func transcript(t *testing.T, h http.Handler, requests []request) string {
	t.Helper()
	var text strings.Builder
	for _, r := range requests {
		out := send(h, r)
		body := r.body
		if len(body) > 200 {
			body = fmt.Sprintf("%s... (%d bytes)", body[:40], len(body))
		}
		fmt.Fprintf(&text, "# %s\n> %s %s %q\n< %d %s", r.name, r.method, r.path, body, out.Code, out.Header().Get("Content-Type"))
		for _, name := range []string{"Allow", "Retry-After", "WWW-Authenticate", "Location"} {
			if value := out.Header().Get(name); value != "" {
				fmt.Fprintf(&text, " %s: %s", name, value)
			}
		}
		text.WriteString("\n")
		text.WriteString(indented(out.Body.Bytes()) + "\n")
	}
	return text.String()
}

func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return strings.TrimSuffix(out.String(), "\n") + "\n"
}
