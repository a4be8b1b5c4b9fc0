package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/httpapi"
)

// limited serves whoever names a key, with that many requests a second.
func limited(rate float64) http.Handler {
	return httpapi.Handler(newMemory(), httpapi.Options{Authorize: func(r *http.Request) (httpapi.Access, error) {
		return httpapi.Access{Key: r.Header.Get("Key"), Admin: true, Rate: rate}, nil
	}})
}

func as(key string) request {
	return request{name: key, method: "GET", path: c42 + "/webhooks", header: map[string]string{"Key": key}}
}

// A key may send a second's requests at once, and then as many a second as it may; others are not held up by it.
func TestRateOfAKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := limited(2)
		taken := func(n int, key string) (taken int) {
			for range n {
				if send(h, as(key)).Code == http.StatusOK {
					taken++
				}
			}
			return taken
		}
		if got := taken(10, "a"); got != 2 {
			t.Errorf("%d at once, not 2", got)
		}
		golden(t, "rate.txt", transcript(t, h, []request{as("a")}))
		if got := taken(10, "b"); got != 2 {
			t.Errorf("%d of another key, not 2", got)
		}
		most := 0
		for range 100 { // refused requests use nothing up
			time.Sleep(100 * time.Millisecond)
			most += taken(3, "a")
		}
		if most != 20 {
			t.Errorf("%d in ten seconds, not 20", most)
		}
		if out := send(h, get("health", "/healthz")); out.Code != http.StatusOK {
			t.Errorf("health: %d", out.Code)
		}
		slow := limited(0.01)
		if out := send(slow, as("a")); out.Code != http.StatusOK {
			t.Errorf("the first of a slow key: %d", out.Code)
		}
		if out := send(slow, as("a")); out.Code != http.StatusTooManyRequests || out.Header().Get("Retry-After") != "100" {
			t.Errorf("the second: %d %v", out.Code, out.Header())
		}
	})
}

// However many keys there are, a bounded number is remembered; those that were just used go on to be held.
func TestRatesOfManyKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := limited(1)
		for n := range 3 * 4096 {
			time.Sleep(time.Millisecond)
			if out := send(h, as(fmt.Sprint("key", n))); out.Code != http.StatusOK {
				t.Fatalf("key %d: %d", n, out.Code)
			}
			if out := send(h, as(fmt.Sprint("key", n))); out.Code != http.StatusTooManyRequests {
				t.Fatalf("key %d again: %d", n, out.Code)
			}
		}
	})
}
