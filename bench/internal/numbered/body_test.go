package numbered_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"posthorn/bench/internal/numbered"
)

func TestBodiesBearTheirNumber(t *testing.T) {
	t.Parallel()
	for _, body := range [][]byte{numbered.Candidate("bench"), numbered.Message("sample.taken"), numbered.Delivered()} {
		size := len(body)
		for _, n := range []int{0, 7, 123456, 999_999_999} {
			got := numbered.ID(nil, numbered.Set(body, n))
			if want := fmt.Sprintf("%09d", n); got != want {
				t.Errorf("number %d: found %q in %s", n, got, body)
			}
			if !json.Valid(body) || len(body) != size {
				t.Errorf("number %d: spoilt the body: %s", n, body)
			}
		}
	}
}

func TestDeliveredSize(t *testing.T) {
	t.Parallel()
	if got := len(numbered.Delivered()); got != numbered.DeliveredSize {
		t.Errorf("delivered body has %d bytes, want %d", got, numbered.DeliveredSize)
	}
}

func TestNoNumber(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", "bench-", "bench-12345678", "bench-12345678x@example.com"} {
		if id := numbered.ID(nil, []byte(body)); id != "" {
			t.Errorf("found %q in %q", id, body)
		}
	}
}
