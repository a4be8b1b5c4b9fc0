package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

// What came faster than it could be printed is told, and counts all the same.
func TestListenIsOverrun(t *testing.T) {
	t.Parallel()
	r := harness.NewReceiver(t, harness.Options{Keep: 3})
	for i := range 10 {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook", strings.NewReader("{}"))
		req.Header.Set("webhook-id", fmt.Sprint("m", i))
		r.ServeHTTP(httptest.NewRecorder(), req)
	}
	var text bytes.Buffer
	c := &listenCmd{Count: 10, Expect: []string{"m0", "m9"}, Timeout: 10 * time.Second}
	if err := c.attend(&program{ctx: t.Context()}, r, &listenPrinter{w: &text}); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(text.String(), "#1 to #7 came too fast to be printed\n#8 POST /hook") {
		t.Errorf("printed %s", text.String())
	}
	c.Expect = append(c.Expect, "m11")
	c.Timeout = time.Millisecond
	err := c.attend(&program{ctx: t.Context()}, r, &listenPrinter{w: &text, quiet: true})
	if want := "not all came within 1ms: of 3 expected messages 1 did not come: m11; "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("said %v, want %s", err, want)
	}
}
