package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"time"
)

// How many threads run Go code beyond one for each processor. Go's scheduler lets a goroutine that computes run for 10 ms, and a compaction of
// the store has a dozen (up to five parts, and 13 tables that are built): each of a call's five steps would stand in line behind
// them. With a thread for each, the operating system lets those that have waited have their turn at once, which beside a flood cuts
// the slowest hundredth of another company's calls from 300 ms to 20. But it costs a tenth of the delivered/s, so they are there
// only while goroutines wait.
const (
	fewThreads  = 2
	manyThreads = 14
)

const (
	// longWait is what a goroutine that can run waits for a thread only behind others that compute; callers and receivers alone make it
	// wait well under a millisecond.
	longWait = 5e-3
	// calmLooks is how many looks in a row find nobody waiting before the threads are few again: a minute. The compactions of a flood pause for
	// seconds, with many threads few wait long while they last, and each time that the threads are few when one begins costs calls a look.
	calmLooks = 600
)

// A process with nothing to do looks seldom, for a tenth of its processor time would go into looking, and after a while has one thread: each
// timer of its own wakes a second one for nothing where it may, which is a quarter of what is left. A compaction, which makes others wait,
// comes seconds after the writes that it is for.
const (
	threadsAfter  = 100 * time.Millisecond
	threadsSeldom = time.Second / 2
	// idleRuns is more than are counted between two looks when nothing is done. The runtime counts one run of a goroutine in eight, about 3 in
	// half a second for timers alone; five requests a second make this many.
	idleRuns = 8
	// idleLooks is how many looks in a row find nothing done before there is one thread: ten seconds. What comes then has it alone until
	// the next look.
	idleLooks = 20
)

// A threadWatch sets GOMAXPROCS by how long goroutines wait for a thread. Its methods are for one goroutine.
type threadWatch struct {
	few, many int
	set       func(int)
	sample    []metrics.Sample
	before    waits
	calm      int // looks in a row that found nobody waiting long for one of several
	idle      int // looks in a row that found nothing done
	threads   int
}

// waits counts how often goroutines got a thread, and how often after a long wait.
type waits struct{ all, long uint64 }

// watchThreads leaves the number to the operator where GOMAXPROCS is set: it returns nil, which looks at nothing.
func watchThreads() *threadWatch {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	processors := runtime.GOMAXPROCS(0)
	t := &threadWatch{
		few: processors + fewThreads, many: processors + manyThreads,
		set: func(n int) { runtime.GOMAXPROCS(n) }, sample: []metrics.Sample{{Name: "/sched/latencies:seconds"}},
	}
	t.give(t.few)
	t.before = t.read()
	return t
}

// look says when to look again.
func (t *threadWatch) look() (next time.Duration) {
	if t == nil {
		return quietAfter
	}
	return t.judge(t.read())
}

// judge gives many threads as soon as one in a hundred waits long, few once none has for a while, and one when nothing is done. That
// somebody has waited for the one is no reason for many.
func (t *threadWatch) judge(now waits) (next time.Duration) {
	all, long := now.all-t.before.all, now.long-t.before.long
	t.before = now
	if t.calm++; t.threads > 1 && long > all/100 {
		t.calm = 0
	}
	strained := t.calm == 0 || t.threads == t.many && t.calm < calmLooks
	if t.idle++; strained || long > 0 || all >= idleRuns {
		t.idle = 0
	}
	switch {
	case strained:
		t.give(t.many)
	case t.idle >= idleLooks:
		t.give(1)
	default:
		t.give(t.few)
	}
	if t.idle > 0 {
		return threadsSeldom
	}
	return threadsAfter
}

// end gives what comes at the end, a drain and the last commits, as many as work gets.
func (t *threadWatch) end() {
	if t != nil {
		t.give(t.few)
	}
}

// give sets the number where it is another: each time the runtime stops all goroutines for a moment.
func (t *threadWatch) give(threads int) {
	if t.threads != threads {
		t.threads = threads
		t.set(threads)
	}
}

func (t *threadWatch) read() (w waits) {
	metrics.Read(t.sample)
	if t.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return waits{} // a runtime that does not tell
	}
	h := t.sample[0].Value.Float64Histogram()
	for i, n := range h.Counts {
		w.all += n
		if h.Buckets[i] >= longWait {
			w.long += n
		}
	}
	return w
}
