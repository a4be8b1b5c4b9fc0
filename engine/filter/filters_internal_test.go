package filter

import (
	"fmt"
	"testing"
)

// TestKept: what is used stays compiled, and no more than maxKept are kept.
func TestKept(t *testing.T) {
	t.Parallel()
	f, event := New(), NewEvent(Message{EventType: "a"})
	const used = "eventType == 'a'"
	for i := range 2 * maxKept {
		f.keep(fmt.Sprint(i), nil)
		if pass, err := f.Match(used, event); err != nil || !pass {
			t.Fatal(pass, err)
		}
		if got := len(f.young) + len(f.old); got > maxKept {
			t.Fatalf("%d kept, at most %d", got, maxKept)
		}
	}
	if _, ok := f.kept("0"); ok {
		t.Error("the first is still kept")
	}
	if _, ok := f.kept(fmt.Sprint(2*maxKept - 1)); !ok {
		t.Error("the last is not kept")
	}
}

// TestErrorsAreNotShared: CEL writes into an error where it was met, and many goroutines meet one event.
func TestErrorsAreNotShared(t *testing.T) {
	t.Parallel()
	broken := NewEvent(Message{Data: []byte("{")})
	one, _ := broken.ResolveName("data")
	other, _ := broken.ResolveName("data")
	if one == other || wrongType() == wrongType() {
		t.Error("two evaluations were given one error")
	}
}
