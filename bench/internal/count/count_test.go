package count_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"posthorn/bench/internal/count"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCountsWhatWasPosted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- count.Serve(ctx, in) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := count.ListeningAt(strings.TrimSpace(line))
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	for i := range 3 {
		res, err := client.Post(url+"?"+string(rune('a'+i)), "application/json", strings.NewReader("{}"))
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("%v, %v; want 204", res, err)
		}
		_ = res.Body.Close()
	}
	for range 2 { // asking does not count
		res, err := client.Get(url + count.Path)
		if err != nil {
			t.Fatal(err)
		}
		if said, err := io.ReadAll(res.Body); err != nil || string(said) != "3" {
			t.Errorf("%q, %v; want 3", said, err)
		}
		_ = res.Body.Close()
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
