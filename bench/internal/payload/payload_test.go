package payload_test

import (
	"encoding/json"
	"testing"

	"posthorn/bench/internal/payload"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, body := range [][]byte{payload.Candidate("bench"), payload.Message("sample.taken"), payload.Delivered()} {
		size := len(body)
		for _, n := range []int{0, 7, 123456, 999_999_999} {
			payload.Number(body, n)
			if got, ok := payload.Find(body); got != n || !ok {
				t.Errorf("number %d: found %d, %v in %s", n, got, ok, body)
			}
			if !json.Valid(body) || len(body) != size {
				t.Errorf("number %d: spoilt the body: %s", n, body)
			}
		}
	}
}

func TestDeliveredSize(t *testing.T) {
	t.Parallel()
	if got := len(payload.Delivered()); got != payload.DeliveredSize {
		t.Errorf("delivered body has %d bytes, want %d", got, payload.DeliveredSize)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", "bench-", "bench-12345678", "bench-12345678x@example.com"} {
		if n, ok := payload.Find([]byte(body)); ok {
			t.Errorf("found %d in %q", n, body)
		}
	}
}
