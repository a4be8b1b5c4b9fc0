package engine

import (
	"sync"
	"testing"
)

// TestBacklogRoom: the pump is told once when there is room for half again, and what is begun after it was given up for lost makes no more room
// than there ever is.
func TestBacklogRoom(t *testing.T) {
	t.Parallel()
	told := 0
	b := &backlog{eased: func() { told++ }}
	for _, step := range []struct {
		do         func(int)
		n          int
		room, told int
	}{
		{b.grow, 16, 0, 0},
		{b.grow, 4, 0, 0},
		{b.shrink, 4, 0, 0},
		{b.shrink, 7, 7, 0},
		{b.shrink, 1, 8, 1},
		{b.shrink, 8, 16, 1},
		{b.grow, 9, 7, 1},
		{func(int) { b.forget() }, 0, 16, 2},
		{b.shrink, 9, 16, 2},
		{b.grow, 16, 0, 2},
	} {
		step.do(step.n)
		if got := b.room(); got != step.room || told != step.told {
			t.Fatalf("room for %d, told %d times; want %d, %d (%+v)", got, told, step.room, step.told, step)
		}
	}
	var none *backlog
	none.grow(100)
	none.shrink(1)
	none.forget()
	if got := none.room(); got != maxGather {
		t.Errorf("over a broker there is room for %d, want %d", got, maxGather)
	}
}

// TestBacklogOfMany: nothing is miscounted by goroutines that begin tasks at once.
func TestBacklogOfMany(t *testing.T) {
	t.Parallel()
	b := &backlog{eased: func() {}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				b.grow(2)
				b.shrink(1)
				b.shrink(1)
			}
		})
	}
	all.Wait()
	if got := b.room(); got != maxBacklog {
		t.Errorf("room for %d, want %d", got, maxBacklog)
	}
}
