package sink_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/bench/internal/payload"
	"posthorn/bench/internal/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, most int) *sink.Sink {
	t.Helper()
	s, err := sink.Open(t.Context(), time.Now(), most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func post(t *testing.T, url string, n int) int {
	t.Helper()
	body := payload.Delivered()
	payload.Number(body, n)
	res, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func TestSinkCountsEachNumberOnce(t *testing.T) {
	t.Parallel()
	s := open(t, 3)
	for _, n := range []int{2, 0, 2} {
		if got := post(t, s.URL, n); got != http.StatusNoContent {
			t.Errorf("number %d: status %d, want 204", n, got)
		}
	}
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Error(err)
	}
	if _, ok := s.Arrival(1); ok || s.Repeated() != 1 {
		t.Errorf("number 1 came: %v, repeated %d; want false and 1", ok, s.Repeated())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ended, 3); err == nil || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("wait for three after two: %v", err)
	}
	first, _ := s.Arrival(2)
	second, _ := s.Arrival(0)
	if first < 0 || second < first {
		t.Errorf("arrivals at %v and %v, want them in order", first, second)
	}
}

func TestSinkWaitsForWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := open(t, 2)
	post(t, s.URL, 0)
	waited := make(chan error)
	go func() { waited <- s.Wait(t.Context(), 2) }()
	post(t, s.URL, 1)
	if err := <-waited; err != nil {
		t.Error(err)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ended, 3); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("wait for what never comes: %v", err)
	}
}

func TestSinkRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, 2)
	s.Verify(func(_ http.Header, body []byte) error {
		if n, _ := payload.Find(body); n == 1 {
			return errors.New("forged")
		}
		return nil
	})
	for n, want := range []int{http.StatusNoContent, http.StatusBadRequest, http.StatusBadRequest} {
		if got := post(t, s.URL, n); got != want {
			t.Errorf("number %d: status %d, want %d", n, got, want)
		}
	}
	err := s.Wait(t.Context(), 1)
	if err == nil || !strings.Contains(err.Error(), "refused 2 bodies, the first: number 1 does not verify: forged") {
		t.Errorf("after a forged body: %v", err)
	}
}

// One message goes to two webhooks, whose paths tell its arrivals apart.
func TestPathsAreAddedToNumbers(t *testing.T) {
	t.Parallel()
	s := open(t, 20)
	if first, last := s.Span(); first != 0 || last != 0 {
		t.Errorf("nothing has come, between %v and %v", first, last)
	}
	for path, want := range map[string]int{"/0": http.StatusNoContent, "/10": http.StatusNoContent, "/20": http.StatusBadRequest} {
		if got := post(t, s.URL+path, 3); got != want {
			t.Errorf("number 3 at %s: status %d, want %d", path, got, want)
		}
	}
	one, came := s.Arrival(3)
	other, cameToo := s.Arrival(13)
	if !came || !cameToo || s.Arrived() != 2 || s.Repeated() != 0 {
		t.Errorf("3 came: %v, 13 came: %v, %d in all, %d repeated", came, cameToo, s.Arrived(), s.Repeated())
	}
	if first, last := s.Span(); first != min(one, other) || last != max(one, other) {
		t.Errorf("between %v and %v, want %v and %v", first, last, one, other)
	}
}
