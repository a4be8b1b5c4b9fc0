package forward

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCountingTellsHowMuchWasPosted(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(handler(nil, ""))
	defer server.Close()
	for range 3 {
		res, err := server.Client().Post(server.URL+"/any", "application/json", strings.NewReader("{}"))
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("%v, %v; want 204", res, err)
		}
		_ = res.Body.Close()
	}
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if said, err := io.ReadAll(res.Body); err != nil || string(said) != "3" {
		t.Errorf("%q, %v; want 3", said, err)
	}
}
