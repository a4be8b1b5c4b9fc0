package portstest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"posthorn/adapters/memstore"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func put(key string) ports.Commit {
	return ports.Commit{Puts: []ports.Pair{{Key: []byte(key), Value: []byte("v")}}}
}

func has(t *testing.T, s ports.Store, key string) bool {
	t.Helper()
	err := s.View(t.Context(), func(r ports.Reader) error {
		_, err := r.Get([]byte(key))
		return err
	})
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestFaultStoreFails(t *testing.T) {
	t.Parallel()
	f := portstest.NewFaultStore(memstore.New())
	before, after := errors.New("before"), errors.New("after")
	f.FailBefore(2, before)
	f.FailAfter(3, after)
	for i, want := range []error{nil, before, after, nil} {
		if err := f.Apply(t.Context(), put(string(rune('a'+i)))); !errors.Is(err, want) {
			t.Errorf("Apply %d returned %v, want %v", i+1, err, want)
		}
	}
	f.FailBefore(1, before)
	if err := f.Apply(t.Context(), put("e")); !errors.Is(err, before) {
		t.Errorf("Apply 5 returned %v, want %v", err, before)
	}
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true, "e": false} {
		if got := has(t, f, key); got != want {
			t.Errorf("%s is stored: %v, want %v", key, got, want)
		}
	}
	if f.Applies() != 5 || f.Writes() != 3 {
		t.Errorf("%d applies with %d writes, want 5 with 3", f.Applies(), f.Writes())
	}
}

func TestFaultStoreHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := portstest.NewFaultStore(memstore.New())
		held, release := f.Hold(1)
		done := make(chan error, 1)
		go func() { done <- f.Apply(context.Background(), put("a")) }() // ends with the bubble
		<-held
		synctest.Wait()
		if has(t, f, "a") {
			t.Error("the held Apply has stored its commit")
		}
		release()
		release()
		if err := <-done; err != nil || !has(t, f, "a") {
			t.Errorf("the released Apply returned %v, stored: %v", err, has(t, f, "a"))
		}
	})
}
