package engine

import (
	"errors"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A batch that is too large as a whole refuses only the command that is too large by itself.
func TestOnlyTheLargeCommandIsRefused(t *testing.T) {
	t.Parallel()
	w := newWriter(memstore.New(), newInputs(nil, newClock(time.Now)), func(committed) {})
	use := func(key string, size int) *command {
		c := &command{done: make(chan struct{})}
		c.decide = func(*batch) (core.Decision, error) {
			answer := make([]byte, size)
			for i := range answer {
				answer[i] = 'a'
			}
			return core.Decision{Events: []core.Event{core.KeyUsed{Company: "42", Route: "test", Key: key, Answer: string(answer)}}}, nil
		}
		return c
	}
	commands := []*command{use("a", 10), use("b", 10), use("c", w.store.Limits().ValueBytes+1)}
	for _, c := range commands[1:] {
		w.accepts <- c
	}
	if err := w.turn(commands[0], false); err != nil {
		t.Fatal(err)
	}
	for i, c := range commands {
		<-c.done
		if large := i == 2; errors.Is(c.err, ports.ErrTooLarge) != large || (c.err == nil) == large {
			t.Errorf("command %d: %v", i, c.err)
		}
	}
	if w.seq != 2 {
		t.Errorf("%d events are stored, want 2", w.seq)
	}
}
