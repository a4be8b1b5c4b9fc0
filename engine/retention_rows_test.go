package engine

import (
	"errors"
	"testing"

	"posthorn/adapters/memstore"
	"posthorn/ports"
)

// TestRowsOfAStep: a step takes the rows from its walk, and those that were written since from the store.
func TestRowsOfAStep(t *testing.T) {
	t.Parallel()
	store, since := memstore.New(), newMeanwhile()
	put := func(key, value string) ports.Commit {
		return ports.Commit{Puts: []ports.Pair{{Key: []byte(key), Value: []byte(value)}}}
	}
	apply := func(c ports.Commit) {
		t.Helper()
		if err := store.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"same", "changed", "gone", "not read"} {
		apply(put(key, "old"))
	}
	var walk *rowMemory
	view := func(read func(r ports.Reader)) {
		t.Helper()
		if err := store.View(t.Context(), func(r ports.Reader) error { read(r); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	view(func(r ports.Reader) {
		walk = newRowMemory(r)
		for _, key := range []string{"same", "changed", "gone", "lacking", "new"} {
			if _, err := walk.Get([]byte(key)); err != nil && !errors.Is(err, ports.ErrNotFound) {
				t.Fatal(err)
			}
		}
		walk.lacks([]byte("known to be lacking"))
	})
	for _, c := range []ports.Commit{put("changed", "young"), put("new", "young"), {Deletes: [][]byte{[]byte("gone")}}} {
		apply(c)
		since.committed(committed{commit: c})
	}
	asked := map[string]bool{}
	view(func(r ports.Reader) {
		read := since.over(walk.rows)(func(key []byte) ([]byte, error) {
			asked[string(key)] = true
			return r.Get(key)
		})
		for key, want := range map[string]struct {
			value string
			asked bool
		}{
			"same": {"old", false}, "changed": {"young", true}, "gone": {"", true}, "lacking": {"", false}, "new": {"young", true},
			"known to be lacking": {"", false}, "not read": {"old", true},
		} {
			value, err := optional(read([]byte(key)))
			if err != nil || string(value) != want.value || asked[key] != want.asked {
				t.Errorf("%s: %q, %v, the store was asked: %v; want %+v", key, value, err, asked[key], want)
			}
		}
	})
}
