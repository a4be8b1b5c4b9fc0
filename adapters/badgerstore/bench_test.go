package badgerstore

import (
	"crypto/rand"
	"fmt"
	"testing"

	"posthorn/ports"
)

// BenchmarkApply stores commits as the engine makes them under load: in four writes, one entry, two puts of new keys,
// and one that is deleted again by the next commit; 300 bytes that do not compress in each. It is the source of the
// numbers in tuning.go.
func BenchmarkApply(b *testing.B) {
	for _, writes := range []int{64, 256, 2048} {
		b.Run(fmt.Sprint("writes=", writes), func(b *testing.B) {
			s := open(b, b.TempDir())
			data := make([]byte, 300)
			_, _ = rand.Read(data) // it never fails
			b.SetBytes(int64(writes * len(data)))
			b.ResetTimer()
			for n := range b.N {
				if err := s.Apply(b.Context(), load(uint64(n), uint64(writes/4), data)); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(float64(b.N*writes)/seconds, "writes/s")
			b.ReportMetric(float64(s.Syncs())/seconds, "syncs/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// load is commit n of that benchmark, with quarter entries.
func load(n, quarter uint64, data []byte) (c ports.Commit) {
	for i := range quarter {
		seq := n*quarter + i + 1
		c.Entries = append(c.Entries, ports.Entry{First: seq, Last: seq, Data: data})
		ready := fmt.Appendf(nil, "ready/%012d", seq)
		c.Puts = append(c.Puts, ports.Pair{Key: fmt.Appendf(nil, "call/%d/%012d", seq%97, seq), Value: data}, ports.Pair{Key: ready, Value: data})
		if n > 0 {
			c.Deletes = append(c.Deletes, fmt.Appendf(nil, "ready/%012d", seq-quarter))
		}
	}
	return c
}
