package engine

import (
	"fmt"
	"iter"
	"testing"

	"pgregory.net/rapid"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// TestLaterCallsOfMessages: whatever was asked before, a message is said to have no later call exactly if no row names one.
func TestLaterCallsOfMessages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store, has := memstore.New(), map[[2]string]bool{}
		companies := []string{"42", "42.", "7"}
		message := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("msg_%02d", rapid.IntRange(0, 20).Draw(t, "n")) })
		var c ports.Commit
		for i := range rapid.IntRange(0, 12).Draw(t, "calls") {
			at := [2]string{rapid.SampledFrom(companies).Draw(t, "company"), message.Draw(t, "called again")}
			c.Puts, has[at] = append(c.Puts, ports.Pair{Key: core.AgainKey(at[0], at[1], fmt.Sprintf("call_%02d", i)), Value: []byte{0xa0}}), true
		}
		if err := store.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		err := store.View(t.Context(), func(r ports.Reader) error {
			later := absenceOf(core.AgainBehind)
			for range rapid.IntRange(1, 40).Draw(t, "asked") {
				at := [2]string{rapid.SampledFrom(companies).Draw(t, "of"), message.Draw(t, "message")}
				none, err := later.none(r, at[0], at[1])
				if err != nil || none == has[at] {
					t.Fatalf("%v has no later call: %v, %v", at, none, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// scanCounter counts searches.
type scanCounter struct {
	ports.Reader

	scans int
}

func (s *scanCounter) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	s.scans++
	return s.Reader.Scan(from, to, reverse)
}

// TestOneSearchTellsOfManyMessages: what retention asks of each message of the log costs one search, until one has later calls.
func TestOneSearchTellsOfManyMessages(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	put := ports.Pair{Key: core.AgainKey("42", "msg_50", "call_1"), Value: []byte{0xa0}}
	if err := store.Apply(t.Context(), ports.Commit{Puts: []ports.Pair{put}}); err != nil {
		t.Fatal(err)
	}
	err := store.View(t.Context(), func(r ports.Reader) error {
		counter, later := &scanCounter{Reader: r}, absenceOf(core.AgainBehind)
		for n := 10; n < 100; n++ {
			if _, err := later.none(counter, "42", fmt.Sprintf("msg_%d", n)); err != nil {
				return err
			}
		}
		if counter.scans != 3 { // up to msg_50, msg_50 itself, behind it
			t.Errorf("%d searches for 90 messages", counter.scans)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
