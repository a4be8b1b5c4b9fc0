package freeport

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
)

func TestTake(t *testing.T) {
	t.Parallel()
	port, err := Take(t.Context())
	if err != nil || port < first || port >= last {
		t.Fatalf("port %d, %v", port, err)
	}
	for { // a process that is just being forked holds the port until it runs its own program
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			_ = l.Close()
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// TestTakenOnce: nobody else gets a port, though nothing listens on it yet, until its owner's context ends.
func TestTakenOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	port, err := Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if take(t.Context(), port) {
		t.Fatalf("port %d was taken twice", port)
	}
	cancel()
	for !take(t.Context(), port) { // a moment after the context's end
		if t.Context().Err() != nil {
			t.Fatalf("port %d is never given back", port)
		}
	}
}
