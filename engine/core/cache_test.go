package core

import (
	"slices"
	"testing"

	"posthorn/ports"
)

// TestCache: an open call that a batch has left is not read again, an ended one is forgotten, and Forget forgets all.
func TestCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cache = NewCache(1)
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
		if _, err := s.call("42", id); err != nil {
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
	w.cache.Forget()
	if got := read("call_2"); len(got) != 1 {
		t.Errorf("after Forget %v were read, want the row", got)
	}
}
