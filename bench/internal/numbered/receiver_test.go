package numbered_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/bench/internal/numbered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func receive(t *testing.T, most int) *numbered.Receiver {
	t.Helper()
	r, err := numbered.Receive(t.Context(), time.Now(), most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func post(t *testing.T, url string, n int) {
	t.Helper()
	res, err := http.Post(url, "application/json", bytes.NewReader(numbered.Set(numbered.Delivered(), n)))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("number %d: %s, %v; want 204", n, res.Status, err)
	}
}

// wait is Wait, for as long as anything on a busy machine may take.
func wait(t *testing.T, r *numbered.Receiver, count int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return r.Wait(ctx, count)
}

func TestEachNumberArrivesOnce(t *testing.T) {
	t.Parallel()
	r := receive(t, 3)
	for _, n := range []int{2, 0, 2} {
		post(t, r.URL(), n)
	}
	if err := wait(t, r, 2); err != nil {
		t.Error(err)
	}
	if _, ok := r.Arrival(1); ok || r.Arrived() != 2 || r.Repeated() != 1 {
		t.Errorf("number 1 came: %v, %d in all, %d repeated; want false, 2 and 1", ok, r.Arrived(), r.Repeated())
	}
	first, _ := r.Arrival(2)
	second, _ := r.Arrival(0)
	if first < 0 || second < first {
		t.Errorf("arrivals at %v and %v, want them in order", first, second)
	}
}

func TestWaitsForWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := receive(t, 2)
	post(t, r.URL(), 0)
	waited := make(chan error)
	go func() { waited <- wait(t, r, 2) }()
	post(t, r.URL(), 1)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Wait(ended, 3); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("wait for what never comes: %v", err)
	}
}

// The harness checks: the wait must not go on for what will not come.
func TestWhatIsNotPromisedEndsTheWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret string
		number int
		want   string
	}{
		"unsigned":    {"whsec_c2VjcmV0", 1, "signature missing: there is no webhook-id"},
		"not awaited": {"", 2, "numbers below 2 are awaited"},
	} {
		r := receive(t, 2)
		if err := r.SetSecret(c.secret); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error)
		go func() { waited <- wait(t, r, 2) }()
		post(t, r.URL(), c.number)
		if err := <-waited; err == nil || !strings.Contains(err.Error(), c.want) || r.Arrived() != 0 {
			t.Errorf("%s: %v, %d arrived; want %q", name, err, r.Arrived(), c.want)
		}
	}
}

// One message goes to two webhooks, whose paths tell its arrivals apart.
func TestPathsAreAddedToNumbers(t *testing.T) {
	t.Parallel()
	r := receive(t, 20)
	if first, last := r.Span(); first != 0 || last != 0 {
		t.Errorf("nothing has come, between %v and %v", first, last)
	}
	post(t, r.URL()+"/0", 3)
	post(t, r.URL()+"/10", 3)
	one, came := r.Arrival(3)
	other, cameToo := r.Arrival(13)
	if !came || !cameToo || r.Arrived() != 2 || r.Repeated() != 0 {
		t.Errorf("3 came: %v, 13 came: %v, %d in all, %d repeated", came, cameToo, r.Arrived(), r.Repeated())
	}
	if first, last := r.Span(); first != min(one, other) || last != max(one, other) {
		t.Errorf("between %v and %v, want %v and %v", first, last, one, other)
	}
	post(t, r.URL()+"/20", 3)
	if err := wait(t, r, 3); err == nil || !strings.Contains(err.Error(), "POST /20") {
		t.Errorf("a number beyond the last: %v", err)
	}
}
