package badgerstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthorn/ports"
)

// A window is a store under retention: every call that comes adds what a call leaves, and takes away what the oldest has left.
type window struct {
	s    *Store
	keep uint64 // calls that stay
	next uint64 // number of the next call
	rng  *rand.ChaCha8
}

// step commits calls as the engine does: first what accepts them, then what ends them and takes the oldest away. A call is 9 writes of
// 1.4 kB with their keys; its bytes do not compress.
func (w *window) step(tb testing.TB, calls uint64) {
	tb.Helper()
	var accept, end ports.Commit
	for i := range calls {
		n := w.next + i
		accept.Entries = append(accept.Entries, ports.Entry{First: 2*w.next + i + 1, Last: 2*w.next + i + 1, Data: w.bytes(290)})
		end.Entries = append(end.Entries, ports.Entry{First: 2*w.next + calls + i + 1, Last: 2*w.next + calls + i + 1, Data: w.bytes(200)})
		due := windowKey("d/", n)
		accept.Puts = append(accept.Puts, w.pair("r/cand/", n, 120), w.pair("v/cand/", n, 240), w.pair("r/call/", n, 100), ports.Pair{Key: due, Value: w.bytes(20)})
		end.Puts = append(end.Puts, w.pair("r/call/", n, 160))
		end.Deletes = append(end.Deletes, due)
		if n >= w.keep {
			old := n - w.keep
			end.Deletes = append(end.Deletes, windowKey("r/cand/", old), windowKey("v/cand/", old), windowKey("r/call/", old))
		}
	}
	if w.next >= w.keep {
		for seq := 2*(w.next-w.keep) + 1; seq <= 2*(w.next-w.keep+calls); seq++ {
			end.Rewrites = append(end.Rewrites, ports.Entry{First: seq, Last: seq})
		}
	}
	w.next += calls
	for _, c := range []ports.Commit{accept, end} {
		if err := w.s.Apply(tb.Context(), c); err != nil {
			tb.Fatal(err)
		}
	}
}

func windowKey(class string, n uint64) []byte {
	return fmt.Appendf(nil, "%s42/01JDXYZABC%016d", class, n)
}

func (w *window) pair(class string, n uint64, size int) ports.Pair {
	return ports.Pair{Key: windowKey(class, n), Value: w.bytes(size)}
}

func (w *window) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = w.rng.Read(b) // it never fails
	return b
}

// A gauge watches how much a directory takes.
type gauge struct {
	stop chan struct{}
	done sync.WaitGroup
	most int64
}

func watch(tb testing.TB, dir string) *gauge {
	tb.Helper()
	g := &gauge{stop: make(chan struct{})}
	g.done.Go(func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-g.stop:
				return
			case <-look.C:
			}
			used, err := diskUse(dir)
			if err != nil {
				tb.Error(err)
				return
			}
			g.most = max(g.most, used)
		}
	})
	return g
}

// end returns the most that it has seen.
func (g *gauge) end() int64 {
	close(g.stop)
	g.done.Wait()
	return g.most
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRetention writes ten times what stays, and tells how much the directory took at most beside what is alive (as Compact leaves it),
// and the processor time of a call. Run it with -benchtime 1x.
func BenchmarkRetention(b *testing.B) {
	for _, mib := range []uint64{200, 400} {
		b.Run(fmt.Sprint("live=", mib, "MiB"), func(b *testing.B) {
			for range b.N {
				dir := b.TempDir()
				w := &window{s: open(b, dir, func(o *Options) { o.Forgetful = true }), keep: mib << 20 / 1400, rng: rand.NewChaCha8([32]byte{})}
				for w.next < w.keep {
					w.step(b, 64)
				}
				sizes, used, begin := watch(b, dir), processorTime(b), time.Now()
				first := w.next
				for w.next < 11*w.keep {
					w.step(b, 64)
				}
				used, calls, most := processorTime(b)-used, float64(w.next-first), sizes.end()
				seconds := time.Since(begin).Seconds()
				if err := w.s.Close(); err != nil {
					b.Fatal(err)
				}
				alive, err := Compact(b.Context(), testOptions(dir))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(most)/float64(alive.After), "most/alive")
				b.ReportMetric(float64(alive.After)/(1<<20), "alive-MiB")
				b.ReportMetric(float64(most)/(1<<20), "most-MiB")
				b.ReportMetric(float64(used.Microseconds())/calls, "cpu-us/call")
				b.ReportMetric(calls/seconds, "calls/s")
			}
		})
	}
}

// TestReclaimerGivesBack: what was deleted goes from the disk of a running store, in the reclaims that it begins by itself. Nothing but
// young pairs deleted, it does not begin one.
func TestReclaimerGivesBack(t *testing.T) {
	t.Parallel()
	dir, reclaimed := t.TempDir(), make(chan string, 100)
	w := &window{s: open(t, dir), keep: 8192, rng: rand.NewChaCha8([32]byte{})}
	w.step(t, 256)
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	compactNow(t, dir) // Flatten does nothing while all tables are at level 0
	o := testOptions(dir)
	o.reclaimFloor, o.reclaimAge = 8<<20, 4
	o.onStep = func(step string) { reclaimed <- step }
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	for w.next < 8*w.keep {
		if w.step(t, 256); w.next == w.keep && len(reclaimed) > 0 {
			t.Error("nothing old was deleted, and it was reclaimed")
		}
	}
	used, err := diskUse(dir)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if all := int64(w.next * 1400); used > all*2/3 || len(reclaimed) < 2 {
		t.Errorf("of %d MiB written, %d MiB lie on the disk after %d reclaims", all>>20, used>>20, len(reclaimed))
	}
}
