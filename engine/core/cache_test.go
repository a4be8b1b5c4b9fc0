package core

import (
	"slices"
	"testing"

	"posthorn/ports"
)

// TestCache: an open call that a batch has left is not read again, nor the webhook that it has looked at; an ended call is forgotten, and
// Forget forgets all.
func TestCache(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"a young one": 10, "an old one": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cached(t, NewCache(most))
		})
	}
}

func cached(t *testing.T, cache *Cache) {
	t.Helper()
	w := newWorld(t)
	w.cache = cache
	w.state = w.newState()
	w.given(`register {"company":"42","url":"https://a.example/","eventTypes":["*"]}
		repeat 2 publish {"company":"42","eventType":"x","data":1}`)
	read := func(id string) (reads []string) {
		s := NewState(func(key []byte) ([]byte, error) {
			reads = append(reads, showKey(string(key)))
			value, ok := w.rows[string(key)]
			if !ok {
				return nil, ports.ErrNotFound
			}
			return value, nil
		}).WithCache(w.cache)
		var err error
		if id == "wh_1" {
			_, err = s.webhook("42", id)
		} else {
			_, err = s.call("42", id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return reads
	}
	if got := slices.Concat(read("call_1"), read("call_2")); len(got) > 0 {
		t.Errorf("after the batch that made them %v were read", got)
	}
	w.script(`judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"status":200}`)
	if got := read("call_1"); len(got) != 1 {
		t.Errorf("of an ended call %v were read, want its row", got)
	}
	if got := read("call_2"); len(got) > 0 {
		t.Errorf("of an open call %v were read", got)
	}
	if got := read("wh_1"); len(got) > 0 {
		t.Errorf("of a webhook that was looked at %v were read", got)
	}
	w.cache.Forget()
	if got := slices.Concat(read("call_2"), read("wh_1")); len(got) != 2 {
		t.Errorf("after Forget %v were read, want both rows", got)
	}
	w.script(`judge {"company":"42","call":"call_2","attempt":1,"lease":1,"epoch":1,"class":"timeout"}`)
	if got := read("wh_1"); len(got) > 0 {
		t.Errorf("of a webhook that was read, not changed, %v were read", got)
	}
}
