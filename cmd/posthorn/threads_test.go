package main

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// watched is a watch over a process with few threads, and what it does at a look: all goroutines that got a thread since the last, and the
// long waits among them.
func watched(set func(int)) (w *threadWatch, look func(all, long uint64) time.Duration) {
	w = &threadWatch{few: 4, many: 16, threads: 4, set: set}
	return w, func(all, long uint64) time.Duration {
		return w.judge(waits{w.before.all + all, w.before.long + long})
	}
}

func TestThreadsAreManyWhileGoroutinesWaitLong(t *testing.T) {
	t.Parallel()
	var sets []int
	_, look := watched(func(n int) { sets = append(sets, n) })
	look(1000, 10) // no more than one in a hundred
	look(0, 0)
	if len(sets) != 0 {
		t.Fatalf("threads were set to %v though nobody waits", sets)
	}
	look(1000, 11)
	look(1000, 500)
	for range calmLooks - 1 {
		look(1000, 0)
	}
	if !slices.Equal(sets, []int{16}) {
		t.Fatalf("threads were set to %v while goroutines waited, want 16 once", sets)
	}
	look(1000, 100)
	for range calmLooks {
		look(1000, 1)
	}
	look(50, 1)
	if !slices.Equal(sets, []int{16, 4, 16}) {
		t.Errorf("threads were set to %v, want 16, after a calm time 4, and 16 again", sets)
	}
}

// A process with nothing to do has one thread after a while, and at the next look more when there is something, but not many: those who
// waited did so for the one. It ends with as many as work gets.
func TestThreadsOfAnIdleProcess(t *testing.T) {
	t.Parallel()
	var sets []int
	w, look := watched(func(n int) { sets = append(sets, n) })
	for range idleLooks - 1 {
		look(idleRuns-1, 0)
	}
	look(idleRuns, 0)
	for range idleLooks - 1 {
		look(0, 0)
	}
	if len(sets) != 0 {
		t.Fatalf("threads were set to %v though there was work", sets)
	}
	for range 3 * idleLooks {
		look(0, 0)
	}
	look(idleRuns, 0)
	for range idleLooks {
		look(0, 0)
	}
	look(3, 2)
	look(100, 2)
	for range calmLooks + idleLooks {
		look(0, 0)
	}
	w.end()
	if want := []int{1, 4, 1, 4, 16, 4, 1, 4}; !slices.Equal(sets, want) {
		t.Errorf("threads were set to %v, want %v", sets, want)
	}
}

// An idle process looks seldom; one that works, or has many threads to take back, does not.
func TestThreadsAreLookedAfterWhileThereIsWork(t *testing.T) {
	t.Parallel()
	_, look := watched(func(int) {})
	for _, c := range []struct {
		all, long uint64
		next      time.Duration
	}{
		{idleRuns - 1, 0, threadsSeldom},
		{idleRuns, 0, threadsAfter},
		{0, 0, threadsSeldom},
		{10, 10, threadsAfter},
		{0, 0, threadsAfter},
	} {
		if next := look(c.all, c.long); next != c.next {
			t.Errorf("after %d runs, %d of them late: the next look is in %v, want %v", c.all, c.long, next, c.next)
		}
	}
}

// The runtime's own histogram is read right: goroutines have been given threads since the start, and few of them late.
func TestThreadsReadTheRuntimesHistogram(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	w := watchThreads()
	if got := runtime.GOMAXPROCS(0); got != before+fewThreads {
		t.Errorf("GOMAXPROCS is %d at the start, want %d", got, before+fewThreads)
	}
	if w.before.all == 0 || w.before.long >= w.before.all {
		t.Errorf("read %+v", w.before)
	}
	w.look()
	t.Setenv("GOMAXPROCS", "3")
	if watchThreads() != nil {
		t.Error("the operator's GOMAXPROCS is watched over")
	}
	watchThreads().look()
}
